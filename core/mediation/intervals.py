"""Bootstrap intervals over pairs of prompts.

*Choice*: as many pairs as were measured are drawn from them with replacement, 1,000 times with a seed, and whatever is
averaged is computed for each draw; the interval is that of the 2.5th and 97.5th percentile of the draws. It says how
much a number depends on which pairs happened to be drawn, not on the model or the prompts' wording; with a handful of
pairs it is too narrow.
"""

from dataclasses import dataclass

import numpy as np
import torch
from jaxtyping import Float
from torch import Tensor

N_RESAMPLES = 1000


LEVEL = 0.95


@dataclass(frozen=True)
class Estimate:
    """A number with its interval, which is NaN for a single pair."""

    value: float
    low: float
    high: float


def samples(n_pairs: int, seed: int = 0) -> Float[Tensor, "sample pair"]:
    """How often each pair is in each sample: first the measured pairs themselves, then the resamples."""
    drawn = np.random.default_rng(seed).multinomial(n_pairs, np.full(n_pairs, 1 / n_pairs), size=N_RESAMPLES)
    return torch.cat([torch.ones(1, n_pairs, dtype=torch.float64), torch.from_numpy(drawn).double()])


def bounds(values: Float[Tensor, "sample *cell"], n_pairs: int) -> Float[Tensor, "bound *cell"]:
    """Lower and upper end of the interval; resamples without a value (NaN) are left out.

    Args:
        values: of the samples, the measured pairs themselves first.
        n_pairs: how many pairs there are.
    """
    if n_pairs < 2:
        return values[:1].expand(2, *values.shape[1:]) * torch.nan
    tail = (1 - LEVEL) / 2
    return torch.nanquantile(values[1:], torch.tensor([tail, 1 - tail], dtype=values.dtype), dim=0)


def estimate(values: Float[Tensor, " sample"], n_pairs: int) -> Estimate:
    """A number of the measured pairs, with its interval."""
    low, high = bounds(values, n_pairs).tolist()
    return Estimate(float(values[0]), low, high)
