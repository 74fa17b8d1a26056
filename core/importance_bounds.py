"""Between which bounds does a neuron's importance lie? Without the vocabulary.

Importance is `d_w - log E_p[e^d]`. The tokens with the largest p are summed as they are;
for the rest, Jensen's inequality bounds the mean of `e^d` from below by the mean of d,
and the chord of `e^d` between the value's extremes (`core.extremes`) from above. That
takes one product of the values with about a hundred vectors a layer. Every bound is
widened by what float32 may have rounded, here and in the exact importance.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from core.exact_importance import Side
from core.readout import Readout

TOKENS = 64
_ROUNDING = 1e-6  # of float32 products here and in the exact values, relative to the lengths of their vectors
_LAST_DIGIT = 1e-12  # of the float64 sums below, in nats


def bounds(
    readout: Readout,
    columns: Tensor,
    extremes: Tensor,
    longest: Tensor,
    target: int,
    sides: Sequence[Side],
    tokens: int = TOKENS,
) -> list[tuple[Tensor, Tensor]]:
    """Lowest and highest possible importance of neurons of one layer, for each run.

    Args:
        readout: of the model.
        columns: the neurons' values as columns [d_model, neuron], float32.
        extremes: least and largest entry of `W_U (g * v)` of each neuron [neuron, 2].
        longest: length of each value times that of the longest row of `g * W_U`, for the rounding [neuron].
        target: the token w.
        sides: the runs, with factors of just these neurons.
        tokens: how many of the likeliest tokens are summed as they are; more are tighter and dearer.
    """
    unembedding = readout.unembedding
    p = torch.stack([one.log_p.exp() for one in sides])  # (run, vocab)
    top = p.sum(0).topk(min(tokens, p.shape[1])).indices  # of both runs together
    asked = [unembedding[target][None], p.float() @ unembedding, unembedding[top]]
    said = (_pulled_back(readout, torch.cat(asked)) @ columns).double()  # (vector, neuron)
    length = longest.to(said.device).double()
    extremes = extremes.to(said.device).double()
    wanted, means, words = said[0], said[1 : 1 + len(sides)], said[1 + len(sides) :]
    return [
        _bound(one, top, wanted, mean, words, extremes, _ROUNDING * length)
        for one, mean in zip(sides, means, strict=True)
    ]


def _bound(
    one: Side, top: Tensor, wanted: Tensor, mean: Tensor, words: Tensor, extremes: Tensor, rounding: Tensor
) -> tuple[Tensor, Tensor]:
    factor, error = one.factor, rounding * one.factor.abs() + _LAST_DIGIT
    ends = torch.sort(factor[:, None] * extremes, -1).values
    low, high = ends[:, 0] - error, ends[:, 1] + error
    p = one.log_p[top].exp()
    left = torch.ones_like(one.log_p).index_fill(0, top, 0.0)
    rest = (one.log_p.exp() * left).sum()
    known = torch.logsumexp(words * factor + one.log_p[top, None], 0)  # of the likeliest tokens
    if not bool(rest > 0):
        return factor * wanted - known - 2 * error, factor * wanted - known + 2 * error
    mean_of_rest = factor * (mean - p @ words) / rest
    slack = 2 * error / rest
    below = torch.maximum(torch.minimum(mean_of_rest - slack, high), low)
    above = torch.maximum(torch.minimum(mean_of_rest + slack, high), low)
    share = ((above - low) / (high - low).clamp_min(1e-300)).clamp(0, 1)
    chord = torch.logaddexp(torch.log1p(-share) + low, torch.log(share) + high)
    smallest = torch.logaddexp(known - error, rest.log() + below)
    largest = torch.logaddexp(known + error, rest.log() + torch.maximum(chord, above))
    return factor * wanted - error - largest, factor * wanted + error - smallest


def _pulled_back(readout: Readout, vectors: Tensor) -> Tensor:
    """`(W_U g)` rows such that their product with a raw value is the logit (LayerNorm: centred)."""
    scaled = vectors * readout.weight
    return scaled - scaled.mean(-1, keepdim=True) if readout.centered else scaled
