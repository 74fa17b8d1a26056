"""The paths by which a vector at some position reaches a deep neuron's keys through the arithmetic heads.

Each path is pulled back from the keys to one vector per position, so that any number of
writers are scored by inner products: first through the head's value and output slices and its layer's norm,
then through a whole attention layer j and its norm (CNA §4.4). Sums over the heads.
"""

from dataclasses import dataclass
from typing import Literal

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from core.forward.record import ActivationCache
from core.model.load import LoadedModel
from core.model.norms import frozen_scale
from core.types import Head
from core.vocabulary.projection import OVMap

By = Literal["score", "weighted"]


@dataclass(frozen=True)
class Path:
    """One way to the keys; maps as the keys'.

    Attributes:
        through: the attention layer of the first hop; None: straight into the heads.
        layers: from which layers' FFN this way can be taken; -1 is the embedding.
        score: vectors whose inner product with what is written at a position is the paper's score.
        weighted: the same with the run's attention weights.
    """

    through: int | None
    layers: range
    score: Float[Tensor, "map pos d_model"]
    weighted: Float[Tensor, "map pos d_model"]

    def vectors(self, by: By) -> Float[Tensor, "map pos d_model"]:
        """One of the two kinds."""
        return self.score if by == "score" else self.weighted


@dataclass(frozen=True)
class OVPath:
    """A head with a neuron's keys pulled back to what it reads.

    Attributes:
        layer: of the head.
        keys: vectors on the residual stream before that layer.
        scale: of the norm that the head reads through at every position, times that of the norm after attention
            (Gemma) at the last one, where the head writes.
        attention: the head's weights from the last position.
        via: the position from which the head brings the neuron most.
    """

    layer: int
    keys: Float[Tensor, "map d_model"]
    scale: Float[Tensor, " pos"]
    attention: Float[Tensor, " pos"]
    via: int

    def reads(self, written: Float[Tensor, "pos d_model"], by: By) -> Float[Tensor, "map pos"]:
        """What arrives at the neuron from each position: with all attention on it, or (weighted) with the run's."""
        weight = self.scale if by == "score" else self.attention * self.scale
        return self.keys @ written.T * weight

    def read_at(self, written: Float[Tensor, " d_model"], position: int, by: By) -> Float[Tensor, " map"]:
        """The same for one vector at one position."""
        weight = self.scale if by == "score" else self.attention * self.scale
        return self.keys @ written * weight[position]

    def from_layer(self, written: Float[Tensor, "pos d_model"], by: By) -> Float[Tensor, " map"]:
        """The same for what a whole layer wrote: at `via` alone, or (weighted) at all positions together."""
        arriving = self.reads(written, by)
        return arriving[:, self.via] if by == "score" else arriving.sum(-1)


def ov_path_of(lm: LoadedModel, run: ActivationCache, head: Head, keys: Float[Tensor, "map d_model"]) -> OVPath:
    """Pulls a neuron's keys back through one head."""
    layer, x = head[0], run.resid_pre[head[0]]
    pulled = OVMap.of(lm, layer).pull_back(keys)[:, head[1]]
    scale = frozen_scale(lm, lm.modules.attention_norm(layer), x) * run.attention_scale[layer, -1]
    attention = run.pattern[layer, head[1], -1]
    brought = attention * scale * (x @ pulled.T).sum(-1)
    return OVPath(layer, pulled, scale, attention, via=int(brought.argmax()))


@torch.no_grad()
def paths_to(
    lm: LoadedModel,
    run: ActivationCache,
    heads: list[Head],
    keys: Float[Tensor, "map d_model"],
    direct: bool = False,
) -> list[Path]:
    """All ways through one attention layer and the heads, in order of that layer; with `direct` also without it."""
    ov_paths = [ov_path_of(lm, run, head, keys) for head in heads]
    paths = [_through(lm, run, j, [o for o in ov_paths if o.layer > j]) for j in range(max(o.layer for o in ov_paths))]
    return paths + _direct(ov_paths) if direct else paths


def _through(lm: LoadedModel, run: ActivationCache, j: int, ov_paths: list[OVPath]) -> Path:
    pulled = rearrange(
        OVMap.of(lm, j).pull_back(torch.cat([o.keys for o in ov_paths])),
        "(path map) head d_model -> path map head d_model",
        path=len(ov_paths),
    )
    first = frozen_scale(lm, lm.modules.attention_norm(j), run.resid_pre[j])  # (pos)
    written = run.attention_scale[j]  # (pos), where the layer writes
    second = torch.stack([ov_path.scale[ov_path.via] * written[ov_path.via] for ov_path in ov_paths])  # (ov_path)
    score = torch.einsum("p,e,emhd->mpd", first, second, pulled)
    attended = torch.stack([o.attention * o.scale * written for o in ov_paths])  # (ov_path, between)
    weight = torch.einsum("eq,hqp,p->ehp", attended, run.pattern[j], first)
    weighted = torch.einsum("ehp,emhd->mpd", weight, pulled)
    return Path(j, range(-1, j), score, weighted)


def _direct(ov_paths: list[OVPath]) -> list[Path]:
    """One path for each stretch of layers below which the same heads lie above."""
    paths, low = [], -1
    for layer in sorted({ov_path.layer for ov_path in ov_paths}):
        above = [ov_path for ov_path in ov_paths if ov_path.layer >= layer]
        score = sum(o.scale[None, :, None] * o.keys[:, None] for o in above)
        weighted = sum((o.attention * o.scale)[None, :, None] * o.keys[:, None] for o in above)
        assert isinstance(score, Tensor)
        assert isinstance(weighted, Tensor)
        paths.append(Path(None, range(low, layer), score, weighted))
        low = layer
    return paths
