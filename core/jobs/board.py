"""A queue of heavy computations for all sessions of a server: one job runs at a time, the others wait their turn.

The same request made twice runs once, and its result is kept for later requests. `core.jobs.order` decides whose
turn it is. A job ends within one call of its `Progress` once no session wants it: each has pressed Stop, has asked
for something else in the same place (`slot`), or is gone. A session that disconnects has `grace` seconds to come
back; a session that asks for the same in the meantime, such as a reloaded tab, takes the job over.
"""

import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Hashable
from typing import Any

from core.errors import UserError
from core.jobs.job import Job, Place, State
from core.jobs.order import Durations, Usage, charge
from core.progress import Progress, Stopped

#: Seconds between two checks of which sessions are connected.
TICK = 0.5


class JobBoard:
    """Runs jobs one after the other on a thread of its own.

    Args:
        keep: how many results are kept for later requests.
        patience: seconds after which a session that no longer asks counts as gone, where `is_here` is not given.
        is_here: whether a session is connected now. With it a session counts as gone only when it is not connected.
        grace: seconds during which a session that is not connected may come back.
        before: called on the computing thread at the start of every job.
    """

    def __init__(
        self,
        keep: int = 32,
        patience: float = 600.0,
        is_here: Callable[[str], bool] | None = None,
        grace: float = 5.0,
        before: Callable[[], None] | None = None,
    ):
        self._keep, self._patience, self._is_here, self._grace, self._before = keep, patience, is_here, grace, before
        self._waiting: list[Job] = []
        self._running: Job | None = None
        self._known: OrderedDict[Hashable, Job] = OrderedDict()
        self._slots: dict[tuple[str, str], Job] = {}
        self._missing: dict[str, float] = {}
        self._usage, self._durations = Usage(), Durations()
        self._change = threading.Condition(threading.RLock())
        self._threads: list[threading.Thread] = []

    def submit(
        self,
        key: Hashable,
        title: str,
        work: Callable[[Progress], Any],
        session: str,
        *,
        slot: str | None = None,
        seconds: float | None = None,
        kind: Hashable = None,
    ) -> Job:
        """Requests a computation; the same key gets the job that is already waiting, running or done.

        Args:
            key: names everything the result depends on.
            title: a description for the waiting message.
            work: computes the result; calls its `Progress` often.
            session: who asks.
            slot: the place on a page where the result will be shown. A session that asks for another key in the
                same slot no longer wants the former job.
            seconds: a guess of how long it takes; else as long as the last job of its kind.
            kind: shared by jobs of about the same length; else the first part of a key, or the title.
        """
        kind = kind if kind is not None else key[0] if isinstance(key, tuple) and key else title
        with self._change:
            job = self._known.get(key)
            if job is None or job.ending or job.state in ("stopped", "failed"):
                job = Job(key, title, work, kind, self._durations.guess(kind) if seconds is None else seconds)
                self._known[key] = job
                self._waiting.append(job)
            self._known.move_to_end(key)
            self._missing.pop(session, None)
            job.seen[session] = time.monotonic()
            job.askers.add(session)
            if slot is not None:
                self._replace(session, slot, job)
            self._forget_old()
            self._start_threads()
            self._change.notify_all()
        return job

    def watch(self, job: Job, session: str) -> int:
        """Notes that a session still waits for its job; returns how many jobs run before it.

        After `stop`, watching no longer keeps the job alive.
        """
        with self._change:
            if session in job.seen:
                job.seen[session] = time.monotonic()
            return self.place(job).ahead

    def place(self, job: Job) -> Place:
        """A job's current place in the queue."""
        with self._change:
            running = self._running
            if job.state != "waiting":
                return Place(0, running, 0.0)
            ordered = self._ordered()
            before = ordered[: ordered.index(job)] if job in ordered else []
            first = [running] if running is not None else []
            return Place(len(first) + len(before), running, sum((j.expected for j in [*first, *before]), 0.0))

    def stop(self, job: Job, session: str) -> None:
        """A session no longer wants a job; it stops when no other session wants it."""
        with self._change:
            job.seen.pop(session, None)
            self._slots = {place: held for place, held in self._slots.items() if held is not job or place[0] != session}
            self._drop(job)

    def wants(self, job: Job, session: str) -> bool:
        """Whether a session has asked for a job and not given it up."""
        with self._change:
            return session in job.seen

    def wanted_by_others(self, job: Job, session: str) -> bool:
        """Whether another session wants a job and is connected at this moment."""
        with self._change:
            others = [other for other in job.seen if other != session]
        return any(self._is_here is None or self._is_here(other) for other in others)

    def jobs_of(self, session: str) -> list[Job]:
        """The jobs that a session wants and that have not ended, in the order of their turns."""
        return [job for job in self.alive() if self.wants(job, session)]

    def alive(self) -> list[Job]:
        """Every job that has not ended, in the order of their turns."""
        with self._change:
            return [*([self._running] if self._running is not None else []), *self._ordered()]

    def _ordered(self) -> list[Job]:
        now = time.monotonic()

        def cost(job: Job) -> float:
            used = min((self._usage.of(session, now) for session in job.seen), default=0.0)
            return charge(job.seconds, used, now - job.asked)

        return sorted(self._waiting, key=cost)

    def _replace(self, session: str, slot: str, job: Job) -> None:
        former = self._slots.get((session, slot))
        self._slots[session, slot] = job
        if former is None or former is job or former.ended:
            return
        if not any(held is former and owner == session for (owner, _), held in self._slots.items()):
            self.stop(former, session)

    def _drop(self, job: Job) -> None:
        """Removes a waiting job that nobody wants from the queue."""
        if job in self._waiting and not self._wanted(job):
            self._waiting.remove(job)
            job.state, job.ending, job.work = "stopped", True, None

    def _forget_old(self) -> None:
        ended = [key for key, job in self._known.items() if job.ended]
        for key in ended[: max(0, len(ended) - self._keep)]:
            del self._known[key]
        self._slots = {place: job for place, job in self._slots.items() if not job.ended}

    def _wanted(self, job: Job) -> bool:
        now = time.monotonic()
        if self._is_here is None:
            return any(now - at < self._patience for at in job.seen.values())
        return any(now - self._missing.get(session, now) < self._grace for session in job.seen)

    def _unwanted(self, job: Job) -> bool:
        with self._change:
            job.ending = not self._wanted(job)
            return job.ending

    def _start_threads(self) -> None:
        tasks = {"abacus jobs": self._serve}
        if self._is_here is not None:
            tasks["abacus sessions"] = self._track_sessions
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        for name in tasks.keys() - {thread.name for thread in self._threads}:
            self._threads.append(threading.Thread(target=tasks[name], name=name, daemon=True))
            self._threads[-1].start()

    def _track_sessions(self) -> None:
        """Keeps track of since when sessions are missing, for as long as there are jobs."""
        while True:
            with self._change:
                while not self.alive():
                    self._missing.clear()
                    self._change.wait()
                self._note_missing()
                for job in list(self._waiting):
                    self._drop(job)
            time.sleep(min(TICK, max(0.01, self._grace / 4)))

    def _note_missing(self) -> None:
        assert self._is_here is not None
        now = time.monotonic()
        for session in {session for job in self.alive() for session in job.seen}:
            if self._is_here(session):
                self._missing.pop(session, None)
            else:
                self._missing.setdefault(session, now)

    def _serve(self) -> None:
        while True:
            with self._change:
                while not self._waiting:
                    self._change.wait()
                job = self._ordered()[0]
                self._waiting.remove(job)
                self._running = job
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
            if self._before is not None:
                self._before()
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
            self._account(job, state)

    def _account(self, job: Job, state: State) -> None:
        """Ends the running job, and remembers how long it took and for whom."""
        now = time.monotonic()
        seconds = now - job.started
        with self._change:
            self._usage.add(job.askers, seconds, now)
            if state in ("done", "stopped"):
                self._durations.learn(job.kind, seconds, 1.0 if state == "done" else job.share)
            self._running = None
            job.state = state
            self._change.notify_all()
