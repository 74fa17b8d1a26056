"""A queue of heavy work, for all sessions of a server: one job computes at a time, the others wait their turn.

The same question asked twice runs once, and its result is kept for whoever asks next. Whose turn it is says
`core.jobs.order`. A job ends within one call of its `Progress` once no session wants it: each has pressed Stop, has
asked for something else in the same place (`slot`), or is gone. A session that breaks off is waited for during `grace`
seconds; who asks for the same in the meantime, such as a tab that was loaded again, takes the job over.
"""

import threading
import time
import traceback
from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Literal

from core.errors import UserError
from core.jobs.order import Durations, Usage, charge
from core.progress import Progress, Stopped

State = Literal["waiting", "running", "done", "stopped", "failed"]


_ENDED = ("done", "stopped", "failed")


#: Seconds between two looks at which sessions are there.
TICK = 0.5


@dataclass(eq=False)
class Job:
    """One piece of heavy work and how far it is.

    `result` is there when the job is done, and when it was stopped with a part computed.
    `error` is a sentence for the person; `ending` says that nobody wants the job any more.
    `seconds` is a guess of how long it takes; `seen` has the sessions that want it, and when each last said so;
    `askers` has all that ever asked, whose use of the machine it is.
    """

    key: Hashable
    title: str
    work: Callable[[Progress], Any] | None = field(repr=False)
    kind: Hashable = None
    seconds: float = 0.0
    asked: float = field(default_factory=time.monotonic)
    state: State = "waiting"
    done: int = 0
    total: int = 0
    started: float = 0.0
    result: Any = field(default=None, repr=False)
    error: str | None = None
    ending: bool = False
    seen: dict[str, float] = field(default_factory=dict)
    askers: set[str] = field(default_factory=set)

    @property
    def ended(self) -> bool:
        """Whether nothing more will come."""
        return self.state in _ENDED

    @property
    def share(self) -> float:
        """How much of it is done, 0 to 1."""
        return self.done / self.total if self.total else 0.0

    @property
    def seconds_left(self) -> float | None:
        """An estimate from the pace so far; None before there is a pace."""
        if self.state != "running" or not self.done:
            return None
        return (time.monotonic() - self.started) / self.done * (self.total - self.done)

    @property
    def expected(self) -> float:
        """Seconds that are still to come, from the pace or, before there is one, from the guess."""
        if self.state == "waiting":
            return self.seconds
        left = self.seconds_left
        return max(0.0, self.seconds - (time.monotonic() - self.started)) if left is None else left


@dataclass(frozen=True)
class Place:
    """Where a waiting job stands: how many go before it, what runs now, and about how many seconds until its turn."""

    ahead: int
    running: Job | None
    seconds: float


class JobBoard:
    """Runs jobs one after the other on a thread of its own.

    Args:
        keep: how many results stay for later askers.
        patience: seconds after which a session that no longer asks counts as gone, where `is_here` is not given.
        is_here: whether a session is connected now. With it a session counts as gone only when it is not connected.
        grace: seconds during which a session that is not connected may come back.
        before: is called on the thread that computes, at the start of every job.
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
        """Asks for work; the same key gets the job that is already waiting, running or done.

        Args:
            key: names everything the result depends on.
            title: what is being done, for the waiting message.
            work: computes the result; calls its `Progress` often.
            session: who asks.
            slot: the place where the result will stand. A session that asks for another key in the same slot
                no longer wants the former job.
            seconds: a guess of how long it takes; else as long as the last job of its kind.
            kind: what jobs of about the same length share; else the first part of a key, or the title.
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
        """Says that a session that asked still waits for a job; returns how many jobs run before it.

        After `stop` this session's watching keeps the job alive no longer.
        """
        with self._change:
            if session in job.seen:
                job.seen[session] = time.monotonic()
            return self.place(job).ahead

    def place(self, job: Job) -> Place:
        """Where a job stands in the queue as it is now."""
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
        """Takes a waiting job that nobody wants out of the queue."""
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
            tasks["abacus sessions"] = self._look_after
        self._threads = [thread for thread in self._threads if thread.is_alive()]
        for name in tasks.keys() - {thread.name for thread in self._threads}:
            self._threads.append(threading.Thread(target=tasks[name], name=name, daemon=True))
            self._threads[-1].start()

    def _look_after(self) -> None:
        """Notes since when sessions are missing, for as long as there are jobs."""
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
