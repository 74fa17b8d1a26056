"""How does long work tell how far it is, and hear that it should stop?"""

from typing import Protocol


class Stopped(Exception):
    """Raised by a `Progress` when the person pressed Stop; long work then returns what it has."""


class Progress(Protocol):
    """Called between steps of long work with the steps done and in all; may raise `Stopped`."""

    def __call__(self, done: int, total: int) -> None: ...  # noqa: D102


def silent(done: int, total: int) -> None:
    """A `Progress` that tells nobody."""
