"""How does long work tell how far it is, and hear that it should stop?"""

from collections.abc import Callable


class Stopped(Exception):
    """Raised by a `Progress` when the person pressed Stop; long work then returns what it has."""


#: Called between steps of long work with the steps done and in all; may raise `Stopped`.
Progress = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """A `Progress` that tells nobody."""


_STEPS = 1000


def part(progress: Progress, begin: float, end: float) -> Progress:
    """A `Progress` for a part of longer work: its own 0 to 1 is `begin` to `end` of the whole."""

    def report(done: int, total: int) -> None:
        progress(round(_STEPS * (begin + (end - begin) * done / max(1, total))), _STEPS)

    return report
