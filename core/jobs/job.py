"""One heavy computation of the queue, its state, and its place among those that wait."""

import time
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Any, Literal

from core.progress import Progress

State = Literal["waiting", "running", "done", "stopped", "failed"]


_ENDED = ("done", "stopped", "failed")


@dataclass(eq=False)
class Job:
    """One heavy computation and how far it is.

    Attributes:
        key: names everything that the result depends on.
        title: a description for the waiting message.
        work: computes the result; None once it has ended.
        kind: shared by jobs of about the same length.
        seconds: a guess of how long it takes.
        asked: when it was asked for.
        state: waiting, running, done, stopped or failed.
        done: steps done.
        total: of so many.
        started: when it began to run.
        result: set when the job is done, and when it was stopped with a part computed.
        error: a sentence for the person, when it failed.
        ending: whether nobody wants the job any more.
        seen: the sessions that want it, and when each last asked for it or watched it.
        askers: every session that ever asked for it; its seconds count as their usage.
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
        """Whether the job is done, stopped or failed."""
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
    """A job's place in the queue: how many run before it, what runs now, and the seconds until its turn (a guess)."""

    ahead: int
    running: Job | None
    seconds: float
