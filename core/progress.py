"""The `Progress` callback of long computations: it reports how far they are, and stops them on request."""

from collections.abc import Callable


class Stopped(Exception):
    """Raised by a `Progress` when the person pressed Stop; the computation then returns what it has."""


#: Called between steps of a long computation with the steps done and the total; may raise `Stopped`.
Progress = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """A `Progress` that reports to nobody."""


def part(progress: Progress, number: int, of: int, size: int = 1) -> Progress:
    """A `Progress` for one part of longer work, which tells how far the whole is.

    Args:
        progress: of the whole.
        number: where the part begins, in parts of equal length, counted from 0.
        of: how many such parts the whole has.
        size: how many of them this one takes up.
    """

    def report(done: int, total: int) -> None:
        steps = max(1, total)
        progress(number * steps + size * done, of * steps)

    return report
