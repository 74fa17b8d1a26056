"""Measured numbers with their intervals, as they stand in a findings file, and reasons why there is none."""

import math
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from core.errors import UserError
from core.reading import strict
from core.statistics.intervals import Estimate, estimate, rate

#: Numbers by layer and head.
Matrix = tuple[tuple[float, ...], ...]


class NotMeasurable(UserError):
    """A question that this model does not let us ask; the message is the reason, as a sentence."""


@strict
@dataclass(frozen=True)
class Figure:
    """A measured number with its 95% interval, whose ends are None where there is none (a single unit)."""

    value: float
    low: float | None
    high: float | None

    @classmethod
    def of(cls, found: Estimate) -> "Figure | None":
        """The same as an estimate; None where there was nothing to divide by."""
        if not math.isfinite(found.value):
            return None
        low, high = (end if math.isfinite(end) else None for end in (found.low, found.high))
        return cls(found.value, low, high)

    @property
    def estimate(self) -> Estimate:
        """As `core.statistics.intervals` has it: NaN for a missing end."""
        low, high = (math.nan if end is None else end for end in (self.low, self.high))
        return Estimate(self.value, low, high)

    def percent(self, decimals: int = 0) -> str:
        """As "84% [77, 89]"; without brackets where there is no interval."""
        value = f"{self.value:.{decimals}%}"
        if self.low is None or self.high is None:
            return value
        return f"{value} [{100 * self.low:.{decimals}f}, {100 * self.high:.{decimals}f}]"


def share_of(right: int, cases: int) -> Figure:
    """A share of cases with Wilson's interval.

    Raises:
        NotMeasurable: for no cases.
    """
    return measured(rate(right, cases), "there are no cases")


def of_samples(values: Float[Tensor, " sample"], n_units: int, otherwise: str) -> Figure:
    """A number of the measured units with its bootstrap interval.

    Args:
        values: of the measured units, then of each resample.
        n_units: how many units.
        otherwise: the reason where the number is NaN.

    Raises:
        NotMeasurable: where the number is NaN.
    """
    return measured(estimate(values, n_units), otherwise)


def measured(found: Estimate, otherwise: str) -> Figure:
    """An estimate that must be there.

    Raises:
        NotMeasurable: with the reason, where it is NaN.
    """
    figure = Figure.of(found)
    if figure is None:
        raise NotMeasurable(otherwise)
    return figure
