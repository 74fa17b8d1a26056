"""What a loop of assertions runs over: never nothing."""

from collections.abc import Iterable
from typing import TypeVar

T = TypeVar("T")


def some(items: Iterable[T]) -> list[T]:
    """The items as a list, of which there must be at least one: a loop over nothing asserts nothing."""
    found = list(items)
    assert found, "there is nothing to assert about"
    return found
