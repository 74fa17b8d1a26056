"""The order of waiting jobs: short ones first, fairly by session, and no job waits forever.

Among the waiting jobs the one with the least `charge` is next:

    charge = seconds the job will take, at most `LONG`
           + seconds its session has computed lately (decaying with a half-life of `HALF` seconds)
           - seconds it has waited, times `AGE`

Short jobs therefore pass long ones, and sessions that have used the machine less pass others. All jobs get cheaper
at the same rate while they wait and none starts below zero, so a job is passed only by those that are asked for
within `(its seconds + its session's) / AGE` seconds after it: a long job comes late, but it comes. A job that
several sessions want is charged as the one that has used the least. A running job is not interrupted for another.
"""

from collections.abc import Hashable, Iterable
from dataclasses import dataclass, field

#: Half-life of a session's usage, in seconds.
HALF = 300.0


#: Longer jobs count as this long: a training of hours waits no longer than one of ten minutes.
LONG = 600.0


#: How much a second of waiting reduces the charge.
AGE = 0.5


#: Seconds that are assumed for a kind of job that never ran.
UNKNOWN = 10.0


@dataclass
class Usage:
    """Seconds that each session's jobs have computed lately."""

    _used: dict[str, tuple[float, float]] = field(default_factory=dict)

    def of(self, session: str, now: float) -> float:
        """A session's usage, after its decay."""
        used, at = self._used.get(session, (0.0, now))
        return float(used * 0.5 ** ((now - at) / HALF))

    def add(self, sessions: Iterable[str], seconds: float, now: float) -> None:
        """Shares a job's seconds among the sessions that wanted it, and drops usage that has decayed."""
        sharing = list(sessions)
        for session in sharing:
            self._used[session] = (self.of(session, now) + seconds / len(sharing), now)
        self._used = {session: entry for session, entry in self._used.items() if self.of(session, now) > 0.01}


@dataclass
class Durations:
    """How long the last job of each kind took: the guess for the next."""

    _last: dict[Hashable, float] = field(default_factory=dict)

    def guess(self, kind: Hashable) -> float:
        """Seconds to expect."""
        return self._last.get(kind, UNKNOWN)

    def learn(self, kind: Hashable, seconds: float, share: float = 1.0) -> None:
        """Remembers a job that ended; of one that was stopped, what the whole would have taken."""
        if share > 0:
            self._last[kind] = seconds / share


def charge(seconds: float, used: float, waited: float) -> float:
    """The charge of a waiting job; the job with the least is next."""
    return min(seconds, LONG) + used - AGE * waited
