"""How far can a neuron move any token's logit? The extremes of its value over the vocabulary.

Depends on weights only: the least and the largest entry of `W_U (g * v)` for every
neuron. They bound what a neuron can do to the softmax's normaliser, so that `core.exact_top`
need not look at the vocabulary for most neurons. Costs one product of all values with
the output matrix, once a model; kept on disk, a file a layer.
"""

from collections.abc import Iterable
from functools import partial
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from core import disk_cache
from core.progress import Progress, silent
from core.readout import Readout
from core.weights import on_device, values

if TYPE_CHECKING:
    from core.model import LoadedModel

_CHUNK = 2**23


def _key(lm: "LoadedModel", layer: int) -> dict:
    return {"fingerprint": lm.fingerprint, "precision": lm.precision, "what": "extremes", "layer": layer, "version": 1}


def are_prepared(lm: "LoadedModel", layers: Iterable[int]) -> bool:
    """Whether the extremes of these layers are on disk."""
    return all(disk_cache.kept(_key(lm, layer)) for layer in layers)


def value_extremes(
    lm: "LoadedModel", layers: Iterable[int] | None = None, progress: Progress = silent
) -> dict[int, Float[Tensor, "neuron low_high"]]:
    """Least and largest entry of `W_U (g * v)` of every neuron, by layer.

    Args:
        lm: the model.
        layers: which; None: all.
        progress: told after every layer.
    """
    wanted = list(range(lm.n_layers) if layers is None else layers)
    out, readout = {}, Readout.of(lm)
    for number, layer in enumerate(wanted):
        made = disk_cache.cached(_key(lm, layer), partial(_extremes, lm, readout, layer))
        out[layer] = made["extremes"]
        progress(number + 1, len(wanted))
    return out


@torch.no_grad()
def value_lengths(lm: "LoadedModel", layer: int) -> Float[Tensor, " neuron"]:
    """Length of every neuron's value. Kept on disk."""
    key = {**_key(lm, layer), "what": "lengths"}
    columns = on_device(lm.modules.neuron_output(layer))
    return disk_cache.cached(key, lambda: {"length": torch.linalg.vector_norm(columns, dim=0)})["length"]


@torch.no_grad()
def longest_row(lm: "LoadedModel") -> float:
    """Length of the longest row of `g * W_U`: no logit of a value v can exceed it times |v|. Kept on disk."""
    key = {"fingerprint": lm.fingerprint, "precision": lm.precision, "what": "longest row", "version": 1}

    def compute() -> dict[str, Tensor]:
        readout = Readout.of(lm)
        rows = [torch.linalg.vector_norm(part * readout.weight, dim=-1).max()
                for part in readout.unembedding.split(4096)]  # fmt: skip
        return {"longest": torch.stack(rows).max()[None]}

    return float(disk_cache.cached(key, compute)["longest"])


@torch.no_grad()
def _extremes(lm: "LoadedModel", readout: Readout, layer: int) -> dict[str, Tensor]:
    device = readout.unembedding.device
    out = []
    for rows in values(lm, layer).split(max(1, _CHUNK // lm.n_vocab)):
        logits = readout.direction(rows.to(device)) @ readout.unembedding.T
        out.append(torch.stack(torch.aminmax(logits, dim=-1), -1).cpu())
    return {"extremes": torch.cat(out)}
