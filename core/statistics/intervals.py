"""Intervals of what is measured on a sample: of rates (Wilson), and of anything else over units (bootstrap).

*Choices*: 95%. A rate of independent cases has Wilson's interval, which holds for few cases and for rates near 0 and 1.
Everything else is bootstrapped: as many units (pairs of prompts, or prompts with all of their answer tokens) as were
measured are drawn from them with replacement, 2,000 times with a seed, whatever is averaged is computed for each draw,
and the interval is that of the 2.5th and 97.5th percentile. An interval says how much a number depends on which units
happened to be drawn, not on the model or on the prompts' wording; with a handful of units a bootstrap is too narrow.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Bool, Float
from scipy.stats import binomtest
from torch import Tensor

N_RESAMPLES = 2000


LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, whose ends are NaN where there is none (a single unit, nothing to divide by)."""

    value: float
    low: float
    high: float


def rate(right: int, cases: int) -> Estimate:
    """The share of right cases with Wilson's interval; NaN of no cases.

    Raises:
        ValueError: for more right cases than cases.
    """
    if cases == 0:
        return Estimate(float("nan"), float("nan"), float("nan"))
    low, high = binomtest(right, cases).proportion_ci(LEVEL, method="wilson")
    return Estimate(right / cases, float(low), float(high))


def samples(n_units: int, seed: int = 0) -> Float[Tensor, "sample unit"]:
    """How often each unit is in each sample: first the measured units themselves, then the resamples."""
    drawn = np.random.default_rng(seed).multinomial(n_units, np.full(n_units, 1 / n_units), size=N_RESAMPLES)
    return torch.cat([torch.ones(1, n_units, dtype=torch.float64), torch.from_numpy(drawn).double()])


def relative_decreases(
    baseline: Bool[Tensor, " case"] | Float[Tensor, " case"],
    intervened: Bool[Tensor, "case *cell"] | Float[Tensor, "case *cell"],
    units: Sequence[int] | None = None,
    seed: int = 0,
) -> Float[Tensor, "sample *cell"]:
    """Relative decreases of a mean, (original - intervened) / original, in the measured cases and each resample.

    The two runs are paired: a unit is drawn with both of its results. NaN where the drawn originals sum to 0.

    Args:
        baseline: whether each case is right in the original run, or its probability.
        intervened: the same in each intervened run.
        units: the unit of each case, such as the prompt that an answer token belongs to; each case its own by default.
        seed: of the draws.
    """
    flat = torch.cat([baseline[:, None], intervened.reshape(len(baseline), -1)], 1).double()
    right = _sums(flat, units, seed)
    original, others = right[:, :1], right[:, 1:]
    share = torch.where(original > 0, (original - others) / original, torch.nan)
    return share.reshape(-1, *intervened.shape[1:])


def means(
    values: Float[Tensor, "case *cell"], units: Sequence[int] | None = None, seed: int = 0
) -> Float[Tensor, "sample *cell"]:
    """Means over the measured cases and over each resample's; NaN cases are left out, and NaN where all are.

    Args:
        values: of each case.
        units: as for `relative_decreases`.
        seed: of the draws.
    """
    flat = values.reshape(len(values), -1).double()
    there = ~flat.isnan()
    sums = _sums(torch.cat([flat.nan_to_num(nan=0.0), there.double()], 1), units, seed)
    total, count = sums.chunk(2, dim=1)
    mean = torch.where(count > 0, total / count.clamp(min=1), torch.nan)
    return mean.reshape(-1, *values.shape[1:])


def _sums(
    values: Float[Tensor, "case column"], units: Sequence[int] | None, seed: int
) -> Float[Tensor, "sample column"]:
    """Sums over the cases of the units that each sample holds."""
    numbers = torch.arange(len(values)) if units is None else torch.unique(torch.tensor(units), return_inverse=True)[1]
    n_units = int(numbers.max()) + 1 if len(numbers) else 0
    sums = torch.zeros(n_units, values.shape[1], dtype=torch.float64).index_add_(0, numbers, values)
    return samples(n_units, seed) @ sums


def bounds(values: Float[Tensor, "sample *cell"], n_units: int) -> Float[Tensor, "bound *cell"]:
    """Lower and upper end of the interval; resamples without a value (NaN) are left out.

    Args:
        values: of the samples, the measured units themselves first.
        n_units: how many units there are.
    """
    if n_units < 2:
        return values[:1].expand(2, *values.shape[1:]) * torch.nan
    tail = (1 - LEVEL) / 2
    return torch.nanquantile(values[1:], torch.tensor([tail, 1 - tail], dtype=values.dtype), dim=0)


def estimate(values: Float[Tensor, " sample"], n_units: int) -> Estimate:
    """A number of the measured units, with its interval."""
    low, high = bounds(values, n_units).tolist()
    return Estimate(float(values[0]), low, high)


def paired_decrease(
    baseline: Bool[Tensor, " case"] | Float[Tensor, " case"],
    intervened: Bool[Tensor, " case"] | Float[Tensor, " case"],
    units: Sequence[int] | None = None,
    seed: int = 0,
) -> Estimate:
    """The relative decrease of one intervened run, with its interval; arguments as of `relative_decreases`."""
    n_units = len(baseline) if units is None else len(set(units))
    return estimate(relative_decreases(baseline, intervened, units, seed), n_units)
