"""Who computes now? One heavy job at a time; the others wait their turn.

A `JobBoard` serves every session of a server. The same question asked twice runs once,
and its result is kept for whoever asks next. A job ends early when everyone who asked
for it pressed Stop, or is gone.
"""

import threading
import time
import traceback
from collections import OrderedDict, deque
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Literal

from core.errors import UserError
from core.progress import Progress, Stopped

State = Literal["waiting", "running", "done", "stopped", "failed"]
_ENDED = ("done", "stopped", "failed")


@dataclass(eq=False)
class Job:
    """One piece of heavy work and how far it is.

    `result` is there when the job is done, and when it was stopped with a part computed.
    `error` is a sentence for the person; `ending` says that nobody wants the job any more.
    """

    key: Hashable
    title: str
    work: Callable[[Progress], Any] | None = field(repr=False)
    state: State = "waiting"
    done: int = 0
    total: int = 0
    started: float = 0.0
    result: Any = field(default=None, repr=False)
    error: str | None = None
    ending: bool = False
    seen: dict[str, float] = field(default_factory=dict)

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state in _ENDED

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the pace so far; None before there is a pace."""
        if self.state != "running" or not self.done:
            return None
        return (time.monotonic() - self.started) / self.done * (self.total - self.done)


class JobBoard:
    """Runs jobs one after the other on a thread of its own.

    Args:
        keep: how many results stay for later askers.
        patience: seconds after which a session that no longer asks counts as gone.
    """

    def __init__(self, keep: int = 32, patience: float = 600.0):
        self._keep, self._patience = keep, patience
        self._queue: deque[Job] = deque()
        self._known: OrderedDict[Hashable, Job] = OrderedDict()
        self._change = threading.Condition()
        self._worker: threading.Thread | None = None

    def submit(self, key: Hashable, title: str, work: Callable[[Progress], Any], session: str) -> Job:
        """Asks for work; the same key gets the job that is already waiting, running or done.

        Args:
            key: names everything the result depends on.
            title: what is being done, for the waiting message.
            work: computes the result; calls its `Progress` often.
            session: who asks.
        """
        with self._change:
            job = self._known.get(key)
            if job is None or job.ending or job.state in ("stopped", "failed"):
                job = Job(key, title, work)
                self._known[key] = job
                self._queue.append(job)
            self._known.move_to_end(key)
            job.seen[session] = time.monotonic()
            self._forget_old()
            if self._worker is None or not self._worker.is_alive():
                self._worker = threading.Thread(target=self._serve, name="abacus jobs", daemon=True)
                self._worker.start()
            self._change.notify_all()
        return job

    def watch(self, job: Job, session: str) -> int:
        """Says that a session that asked still waits for a job; returns how many jobs run before it.

        After `stop` this session's watching keeps the job alive no longer.
        """
        with self._change:
            if session in job.seen:
                job.seen[session] = time.monotonic()
            if job.state != "waiting":
                return 0
            running = any(j.state == "running" for j in self._known.values())
            return int(running) + (self._queue.index(job) if job in self._queue else 0)

    def stop(self, job: Job, session: str) -> None:
        """A session no longer wants a job; it stops when no other session wants it."""
        with self._change:
            job.seen.pop(session, None)
            if job.state == "waiting" and not job.seen and job in self._queue:
                self._queue.remove(job)
                job.state = "stopped"

    def _forget_old(self) -> None:
        ended = [key for key, job in self._known.items() if job.ended]
        for key in ended[: max(0, len(ended) - self._keep)]:
            del self._known[key]

    def _unwanted(self, job: Job) -> bool:
        now = time.monotonic()
        with self._change:
            job.ending = not any(now - at < self._patience for at in job.seen.values())
            return job.ending

    def _serve(self) -> None:
        while True:
            with self._change:
                while not self._queue:
                    self._change.wait()
                job = self._queue.popleft()
                job.state, job.started = "running", time.monotonic()
            self._run(job)

    def _run(self, job: Job) -> None:
        stopped = False

        def progress(done: int, total: int) -> None:
            nonlocal stopped
            job.done, job.total = done, total
            if done < total and self._unwanted(job):
                stopped = True
                raise Stopped

        state: State = "failed"
        try:
            assert job.work is not None
            job.result = job.work(progress)
            state = "stopped" if stopped else "done"
        except Stopped:
            state = "stopped"
        except UserError as error:
            job.error = str(error)
        except Exception as error:  # the worker must live on for the next job
            traceback.print_exc()
            job.error = f"Something went wrong in Abacus itself ({type(error).__name__}: {error}). Please report it."
        finally:
            job.work = None  # it may hold a model
            job.state = state
