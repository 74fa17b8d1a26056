"""Bounds on the importance of neurons, found without most of the vocabulary.

Importance is `d_w - log E_p[e^d]`. The tokens with the largest p are summed exactly;
for the rest, Jensen's inequality bounds the mean of `e^d` from below by the mean of d,
and the secant of `e^d` between the least and the largest logit change bounds it from above. That
takes one product of the values with about a hundred vectors per layer. Every bound is
widened by what float32 may have rounded, here and in the exact importance.

A soft-cap of the logits turns a change e into one that lies between 0 and e, and differs from `slope e` by at most
`0.385 e^2 / c` (half the largest second derivative of `c tanh(x / c)`): the mean is then that of `slope e`, and the
bounds are widened by the rest.

The least and the largest entry of `W_U (g * v)` of every neuron depend on the weights only. They cost one
product of all values with the output matrix per model, and are kept on disk, one file per layer.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from core import disk_cache
from core.model.load import LoadedModel
from core.model.unembed import BLOCK, Unembedding
from core.model.weights import column_blocks
from core.neurons.importance import RunSide
from core.progress import Progress, silent

TOKENS = 64


_ROUNDING = 1e-6  # of float32 products here and in the exact values, relative to the lengths of their vectors


_LAST_DIGIT = 1e-12  # of the float64 sums below, in nats


#: Half the largest second derivative of tanh.
_BEND = 2 / 27**0.5


_CHUNK = 2**22  # numbers that are held at once


@dataclass(frozen=True)
class RunMean:
    """A run's side of one layer (`RunSide`) with the mean of the output matrix's rows under its probabilities.

    Attributes:
        side: log-probabilities, and factors of just the neurons that are bounded.
        mean: `E_p[W_U]` (of rows times the soft-cap's slope, where there is one), float32 [d_model].
    """

    side: RunSide
    mean: Tensor


def _weight(one: RunSide, tokens: Tensor | slice) -> Tensor:
    """Tokens' parts in the mean change of the logits: their probability, times the slope of a soft-cap."""
    p = one.log_p[tokens].exp()
    return p if one.cap is None else p * one.cap.slope(tokens)


@torch.no_grad()
def run_means(unembedding: Unembedding, sides: Sequence[RunSide]) -> list[RunMean]:
    """The sides of many layers with their means, by one pass over the output matrix."""
    if not sides:
        return []
    means = unembedding.mean_rows(torch.stack([_weight(one, slice(None)).float() for one in sides]))
    return [RunMean(one, mean) for one, mean in zip(sides, means, strict=True)]


@dataclass(frozen=True)
class LayerBounds:
    """What it takes to bound the importance of any neurons of one layer in some runs.

    Attributes:
        unembedding: of the model.
        target: the token w.
        sides: the runs before the layer's FFN.
        top: the most likely tokens of all runs together, which are summed as they are.
        rest: the probability of all others in each run.
        asked: vectors whose product with a value is the target's logit and, for each run, the mean of all.
    """

    unembedding: Unembedding
    target: int
    sides: list[RunSide]
    top: Tensor
    rest: list[Tensor]
    asked: Float[Tensor, "one_and_run d_model"]

    @classmethod
    @torch.no_grad()
    def of(cls, unembedding: Unembedding, target: int, runs: Sequence[RunMean], tokens: int = TOKENS) -> "LayerBounds":
        """Prepares the bounds.

        Args:
            unembedding: of the model.
            target: the token w.
            runs: the runs, with the factors of all neurons of the layer.
            tokens: how many of the most likely tokens are summed; more make the bounds tighter and cost more.
        """
        p = [one.side.log_p.exp() for one in runs]
        top = torch.stack(p).sum(0).topk(min(tokens, len(p[0]))).indices
        left = torch.ones_like(p[0]).index_fill(0, top, 0.0)
        asked = torch.cat([unembedding.rows([target]), torch.stack([one.mean for one in runs])])
        return cls(
            unembedding,
            target,
            [one.side for one in runs],
            top,
            [(one * left).sum() for one in p],
            unembedding.pulled_back(asked),
        )

    @torch.no_grad()
    def bounds(
        self, columns: Float[Tensor, "d_model neuron"], extremes: Tensor, longest: Tensor, neurons: Tensor | slice
    ) -> list[tuple[Tensor, Tensor]]:
        """Lowest and highest possible importance of some neurons, for each run, on the model's device.

        Args:
            columns: their values, float32.
            extremes: least and largest entry of `W_U (g * v)` of each [neuron, 2].
            longest: length of each value times that of the longest row of `g * W_U`, for the rounding [neuron].
            neurons: which of the layer they are.
        """
        unembedding, device = self.unembedding, columns.device
        wanted, *means = (self.asked @ columns).double()
        factors = [one.factor[neurons] for one in self.sides]
        sums = [_TopSum.of(factor) for factor in factors]
        for some in self.top.split(max(1, _CHUNK // max(columns.shape))):  # so few that it takes little memory
            words = (unembedding.pulled_back(unembedding.rows(some)) @ columns).double()  # (token, neuron)
            sums = [
                total.plus(words, one, some, factor)
                for total, one, factor in zip(sums, self.sides, factors, strict=True)
            ]
        extremes, rounding = extremes.to(device).double(), _ROUNDING * longest.to(device).double()
        return [
            _bound(one, rest, factor, self._wanted(one, factor * wanted), mean, total, extremes, rounding)
            for one, rest, factor, mean, total in zip(self.sides, self.rest, factors, means, sums, strict=True)
        ]

    def _wanted(self, one: RunSide, added: Tensor) -> Tensor:
        """The change of the target's logit."""
        return one.change(added[:, None], slice(self.target, self.target + 1))[:, 0]


@dataclass(frozen=True)
class _TopSum:
    """Sums over the most likely tokens, for each neuron.

    Attributes:
        known: log of the sum of `p e^d`.
        mean: the sum of p (times the slope of a soft-cap) times the token's logit.
    """

    known: Tensor
    mean: Tensor

    @classmethod
    def of(cls, factor: Tensor) -> "_TopSum":
        """Of no tokens."""
        return cls(torch.full_like(factor, -torch.inf), torch.zeros_like(factor))

    def plus(self, words: Float[Tensor, "token neuron"], one: RunSide, tokens: Tensor, factor: Tensor) -> "_TopSum":
        """With more tokens, and the logits that values give them."""
        change = one.change((words * factor).T, tokens).T
        sums = torch.logsumexp(change + one.log_p[tokens, None], 0)
        return _TopSum(torch.logaddexp(self.known, sums), self.mean + _weight(one, tokens) @ words)


def _bound(
    one: RunSide,
    rest: Tensor,
    factor: Tensor,
    wanted: Tensor,
    mean: Tensor,
    total: _TopSum,
    extremes: Tensor,
    rounding: Tensor,
) -> tuple[Tensor, Tensor]:
    error, known = rounding * factor.abs() + _LAST_DIGIT, total.known
    ends = torch.sort(factor[:, None] * extremes, -1).values
    low, high = ends[:, 0] - error, ends[:, 1] + error
    if not bool(rest > 0):
        return wanted - known - 2 * error, wanted - known + 2 * error
    mean_of_rest = factor * (mean - total.mean) / rest
    slack = 2 * error / rest
    if one.cap is not None:
        slack = slack + _BEND * torch.maximum(low.square(), high.square()) / one.cap.cap
        low, high = low.clamp(max=0), high.clamp(min=0)
    below = torch.maximum(torch.minimum(mean_of_rest - slack, high), low)
    above = torch.maximum(torch.minimum(mean_of_rest + slack, high), low)
    share = ((above - low) / (high - low).clamp_min(1e-300)).clamp(0, 1)
    secant = torch.logaddexp(torch.log1p(-share) + low, torch.log(share) + high)
    smallest = torch.logaddexp(known - error, rest.log() + below)
    largest = torch.logaddexp(known + error, rest.log() + torch.maximum(secant, above))
    return wanted - error - largest, wanted + error - smallest


def _key(lm: LoadedModel, layer: int) -> dict:
    return {"fingerprint": lm.fingerprint, "precision": lm.precision, "what": "extremes", "layer": layer, "version": 1}


def are_prepared(lm: LoadedModel, layers: Iterable[int]) -> bool:
    """Whether the extremes of these layers are on disk."""
    return all(disk_cache.is_cached(_key(lm, layer)) for layer in layers)


def value_extremes(
    lm: LoadedModel, layers: Iterable[int] | None = None, progress: Progress = silent
) -> dict[int, Float[Tensor, "neuron low_high"]]:
    """Least and largest entry of `W_U (g * v)` of every neuron, by layer.

    Args:
        lm: the model.
        layers: which; None: all.
        progress: told after every layer.
    """
    wanted = list(range(lm.n_layers) if layers is None else layers)
    out = {}
    for number, layer in enumerate(wanted):
        made = disk_cache.cached(_key(lm, layer), partial(_extremes, lm, layer))
        out[layer] = made["extremes"]
        progress(number + 1, len(wanted))
    return out


@torch.no_grad()
def value_lengths(lm: LoadedModel, layer: int) -> Float[Tensor, " neuron"]:
    """Length of every neuron's value. Kept on disk."""
    key = {**_key(lm, layer), "what": "lengths"}

    def compute() -> dict[str, Tensor]:
        parts = column_blocks(lm.modules.neuron_writer(layer), BLOCK // lm.d_model)
        return {"length": torch.cat([torch.linalg.vector_norm(some, dim=0) for _, some in parts])}

    return disk_cache.cached(key, compute)["length"]


@torch.no_grad()
def longest_row(lm: LoadedModel) -> float:
    """Length of the longest row of `g * W_U`: no logit of a value v can exceed it times |v|. Kept on disk."""
    key = {"fingerprint": lm.fingerprint, "precision": lm.precision, "what": "longest row", "version": 1}

    def compute() -> dict[str, Tensor]:
        unembedding = Unembedding.of(lm)
        rows = [torch.linalg.vector_norm(some * unembedding.weight, dim=-1).max() for _, some in unembedding.blocks()]
        return {"longest": torch.stack(rows).max()[None]}

    return float(disk_cache.cached(key, compute)["longest"])


@torch.no_grad()
def _extremes(lm: LoadedModel, layer: int) -> dict[str, Tensor]:
    unembedding = Unembedding.of(lm)
    low = torch.full((lm.n_neurons,), torch.inf, device=unembedding.device)
    high = -low
    for _, block in unembedding.blocks():
        rows = unembedding.pulled_back(block)
        for place, columns in column_blocks(lm.modules.neuron_writer(layer), _CHUNK // max(rows.shape)):
            least, largest = torch.aminmax(columns.T @ rows.T, dim=-1)
            low[place] = torch.minimum(low[place], least)
            high[place] = torch.maximum(high[place], largest)
    return {"extremes": torch.stack([low, high], -1)}
