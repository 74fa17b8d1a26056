"""Bounds on the importance of neurons, found without most of the vocabulary.

Importance is `d_w - log E_p[e^d]`. The tokens with the largest p are summed exactly;
for the rest, Jensen's inequality bounds the mean of `e^d` from below by the mean of d,
and the secant of `e^d` between the least and the largest logit change bounds it from above. That
takes one product of the values with about a hundred vectors per layer. Every bound is
widened by what float32 may have rounded, here and in the exact importance.

The least and the largest entry of `W_U (g * v)` of every neuron depend on the weights only. They cost one
product of all values with the output matrix per model, and are kept on disk, one file per layer.
"""

from collections.abc import Iterable, Sequence
from functools import partial

import torch
from jaxtyping import Float
from torch import Tensor

from core import disk_cache
from core.model.load import LoadedModel
from core.model.unembed import Unembedding
from core.model.weights import on_device, values
from core.neurons.importance import RunSide
from core.progress import Progress, silent

TOKENS = 64


_ROUNDING = 1e-6  # of float32 products here and in the exact values, relative to the lengths of their vectors


_LAST_DIGIT = 1e-12  # of the float64 sums below, in nats


def bounds(
    unembedding: Unembedding,
    columns: Tensor,
    extremes: Tensor,
    longest: Tensor,
    target: int,
    sides: Sequence[RunSide],
    tokens: int = TOKENS,
) -> list[tuple[Tensor, Tensor]]:
    """Lowest and highest possible importance of neurons of one layer, for each run.

    Args:
        unembedding: of the model.
        columns: the neurons' values as columns [d_model, neuron], float32.
        extremes: least and largest entry of `W_U (g * v)` of each neuron [neuron, 2].
        longest: length of each value times that of the longest row of `g * W_U`, for the rounding [neuron].
        target: the token w.
        sides: the runs, with factors of just these neurons.
        tokens: how many of the most likely tokens are summed as they are; more make the bounds tighter and cost more.
    """
    matrix = unembedding.matrix
    p = torch.stack([one.log_p.exp() for one in sides])  # (run, vocab)
    top = p.sum(0).topk(min(tokens, p.shape[1])).indices  # of both runs together
    asked = [matrix[target][None], p.float() @ matrix, matrix[top]]
    logits = (_pulled_back(unembedding, torch.cat(asked)) @ columns).double()  # (vector, neuron)
    length = longest.to(logits.device).double()
    extremes = extremes.to(logits.device).double()
    wanted, means, words = logits[0], logits[1 : 1 + len(sides)], logits[1 + len(sides) :]
    return [
        _bound(one, top, wanted, mean, words, extremes, _ROUNDING * length)
        for one, mean in zip(sides, means, strict=True)
    ]


def _bound(
    one: RunSide, top: Tensor, wanted: Tensor, mean: Tensor, words: Tensor, extremes: Tensor, rounding: Tensor
) -> tuple[Tensor, Tensor]:
    factor, error = one.factor, rounding * one.factor.abs() + _LAST_DIGIT
    ends = torch.sort(factor[:, None] * extremes, -1).values
    low, high = ends[:, 0] - error, ends[:, 1] + error
    p = one.log_p[top].exp()
    left = torch.ones_like(one.log_p).index_fill(0, top, 0.0)
    rest = (one.log_p.exp() * left).sum()
    known = torch.logsumexp(words * factor + one.log_p[top, None], 0)  # of the most likely tokens
    if not bool(rest > 0):
        return factor * wanted - known - 2 * error, factor * wanted - known + 2 * error
    mean_of_rest = factor * (mean - p @ words) / rest
    slack = 2 * error / rest
    below = torch.maximum(torch.minimum(mean_of_rest - slack, high), low)
    above = torch.maximum(torch.minimum(mean_of_rest + slack, high), low)
    share = ((above - low) / (high - low).clamp_min(1e-300)).clamp(0, 1)
    secant = torch.logaddexp(torch.log1p(-share) + low, torch.log(share) + high)
    smallest = torch.logaddexp(known - error, rest.log() + below)
    largest = torch.logaddexp(known + error, rest.log() + torch.maximum(secant, above))
    return factor * wanted - error - largest, factor * wanted + error - smallest


def _pulled_back(unembedding: Unembedding, vectors: Tensor) -> Tensor:
    """`(W_U g)` rows such that their product with a raw value is the logit (LayerNorm: centred)."""
    scaled = vectors * unembedding.weight
    return scaled - scaled.mean(-1, keepdim=True) if unembedding.centered else scaled


_CHUNK = 2**23


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
    out, unembedding = {}, Unembedding.of(lm)
    for number, layer in enumerate(wanted):
        made = disk_cache.cached(_key(lm, layer), partial(_extremes, lm, unembedding, layer))
        out[layer] = made["extremes"]
        progress(number + 1, len(wanted))
    return out


@torch.no_grad()
def value_lengths(lm: LoadedModel, layer: int) -> Float[Tensor, " neuron"]:
    """Length of every neuron's value. Kept on disk."""
    key = {**_key(lm, layer), "what": "lengths"}
    columns = on_device(lm.modules.neuron_output(layer))
    return disk_cache.cached(key, lambda: {"length": torch.linalg.vector_norm(columns, dim=0)})["length"]


@torch.no_grad()
def longest_row(lm: LoadedModel) -> float:
    """Length of the longest row of `g * W_U`: no logit of a value v can exceed it times |v|. Kept on disk."""
    key = {"fingerprint": lm.fingerprint, "precision": lm.precision, "what": "longest row", "version": 1}

    def compute() -> dict[str, Tensor]:
        unembedding = Unembedding.of(lm)
        rows = [
            torch.linalg.vector_norm(part * unembedding.weight, dim=-1).max() for part in unembedding.matrix.split(4096)
        ]
        return {"longest": torch.stack(rows).max()[None]}

    return float(disk_cache.cached(key, compute)["longest"])


@torch.no_grad()
def _extremes(lm: LoadedModel, unembedding: Unembedding, layer: int) -> dict[str, Tensor]:
    device = unembedding.matrix.device
    out = []
    for rows in values(lm, layer).split(max(1, _CHUNK // lm.n_vocab)):
        logits = unembedding.direction(rows.to(device)) @ unembedding.matrix.T
        out.append(torch.stack(torch.aminmax(logits, dim=-1), -1).cpu())
    return {"extremes": torch.cat(out)}
