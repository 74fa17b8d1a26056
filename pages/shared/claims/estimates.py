"""Numbers with their 95% intervals, as they are written in a sentence or a table."""

import math
from collections.abc import Callable

from core.statistics.intervals import Estimate
from pages.shared.words import percent


def with_interval(found: Estimate, write: Callable[[float], str], unit: str = "") -> str:
    """A number with its interval, if it has one: 5.71 [4.80, 6.52] nats.

    Args:
        found: the number.
        write: writes its value and both ends.
        unit: follows; nothing for a number without one.
    """
    told = write(found.value)
    if math.isfinite(found.low) and math.isfinite(found.high):
        told += f" [{write(found.low)}, {write(found.high)}]"
    return f"{told} {unit}".rstrip()


def share(found: Estimate, digits: int = 3) -> str:
    """A share with its interval, if it has one: 81.2% [74.3, 88.0]; `digits` as of `percent`."""
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return percent(found.value, digits)
    low, high = (percent(end, digits).removesuffix("%") for end in (found.low, found.high))
    return f"{percent(found.value, digits)} [{low}, {high}]"


def lead(found: Estimate) -> str:
    """A difference of two shares with its interval: 64.1 points [48.0, 77.9]."""
    if not (math.isfinite(found.low) and math.isfinite(found.high)):
        return f"{_points(found.value)} points"
    return f"{_points(found.value)} points [{_points(found.low)}, {_points(found.high)}]"


def _points(value: float) -> str:
    return percent(value).removesuffix("%").replace("-", "−")
