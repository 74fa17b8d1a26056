"""How does long work tell how far it is, and hear that it should stop?"""

from collections.abc import Callable


class Stopped(Exception):
    """Raised by a `Progress` when the person pressed Stop; long work then returns what it has."""


#: Called between steps of long work with the steps done and in all; may raise `Stopped`.
Progress = Callable[[int, int], None]


def silent(done: int, total: int) -> None:
    """A `Progress` that tells nobody."""
