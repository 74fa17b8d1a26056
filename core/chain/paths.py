"""Along which ways does a vector at some position reach a deep neuron's keys through the arithmetic heads?

Each way is pulled back from the keys to one vector a position, so that any number of
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
from core.vocabulary.projection import OVMap

By = Literal["score", "flow"]


@dataclass(frozen=True)
class Path:
    """One way to the keys; maps as the keys'.

    Attributes:
        through: the attention layer of the first hop; None: straight into the heads.
        layers: from which layers' FFN this way can be taken; -1 is the embedding.
        score: vectors whose inner product with what is written at a position is the paper's score.
        flow: the same with the run's attention weights.
    """

    through: int | None
    layers: range
    score: Float[Tensor, "map pos d_model"]
    flow: Float[Tensor, "map pos d_model"]

    def vectors(self, by: By) -> Float[Tensor, "map pos d_model"]:
        """One of the two kinds."""
        return self.score if by == "score" else self.flow


@dataclass(frozen=True)
class OVPath:
    """A head with a neuron's keys pulled back to what it reads.

    Attributes:
        layer: of the head.
        keys: vectors on the residual stream before that layer.
        scale: the norm's scale at every position.
        attention: the head's weights from the last position.
        via: the position from which the head brings the neuron most.
    """

    layer: int
    keys: Float[Tensor, "map d_model"]
    scale: Float[Tensor, " pos"]
    attention: Float[Tensor, " pos"]
    via: int

    def hears(self, written: Float[Tensor, "pos d_model"], by: By) -> Float[Tensor, "map pos"]:
        """What the neuron would get from each position were all attention on it, or (flow) what it gets."""
        weight = self.scale if by == "score" else self.attention * self.scale
        return self.keys @ written.T * weight

    def hears_at(self, written: Float[Tensor, " d_model"], position: int, by: By) -> Float[Tensor, " map"]:
        """The same for one vector at one position."""
        weight = self.scale if by == "score" else self.attention * self.scale
        return self.keys @ written * weight[position]

    def from_layer(self, written: Float[Tensor, "pos d_model"], by: By) -> Float[Tensor, " map"]:
        """The same for what a whole layer wrote: at `via` alone, or (flow) at all positions together."""
        heard = self.hears(written, by)
        return heard[:, self.via] if by == "score" else heard.sum(-1)


def ov_path_of(
    lm: LoadedModel, run: ActivationCache, head: tuple[int, int], keys: Float[Tensor, "map d_model"]
) -> OVPath:
    """Pulls a neuron's keys back through one head."""
    layer, x = head[0], run.resid_pre[head[0]]
    pulled = OVMap.of(lm, layer).pull_back(keys)[:, head[1]]
    scale = frozen_scale(lm, lm.modules.attention_norm(layer), x)
    attention = run.pattern[layer, head[1], -1]
    brought = attention * scale * (x @ pulled.T).sum(-1)
    return OVPath(layer, pulled, scale, attention, via=int(brought.argmax()))


@torch.no_grad()
def paths_to(
    lm: LoadedModel,
    run: ActivationCache,
    heads: list[tuple[int, int]],
    keys: Float[Tensor, "map d_model"],
    direct: bool = False,
) -> list[Path]:
    """All ways through one attention layer and the heads, in order of that layer; with `direct` also without it."""
    ears = [ov_path_of(lm, run, head, keys) for head in heads]
    routes = [_through(lm, run, j, [ear for ear in ears if ear.layer > j]) for j in range(max(e.layer for e in ears))]
    return routes + _direct(ears) if direct else routes


def _through(lm: LoadedModel, run: ActivationCache, j: int, ears: list[OVPath]) -> Path:
    pulled = rearrange(
        OVMap.of(lm, j).pull_back(torch.cat([ear.keys for ear in ears])),
        "(ear map) head d_model -> ear map head d_model",
        ear=len(ears),
    )
    first = frozen_scale(lm, lm.modules.attention_norm(j), run.resid_pre[j])  # (pos)
    second = torch.stack([ear.scale[ear.via] for ear in ears])  # (ear)
    score = torch.einsum("p,e,emhd->mpd", first, second, pulled)
    heard = torch.stack([ear.attention * ear.scale for ear in ears])  # (ear, between)
    weight = torch.einsum("eq,hqp,p->ehp", heard, run.pattern[j], first)
    flow = torch.einsum("ehp,emhd->mpd", weight, pulled)
    return Path(j, range(-1, j), score, flow)


def _direct(ears: list[OVPath]) -> list[Path]:
    """One route for each stretch of layers below which the same heads lie above."""
    routes, low = [], -1
    for layer in sorted({ear.layer for ear in ears}):
        above = [ear for ear in ears if ear.layer >= layer]
        score = sum(ear.scale[None, :, None] * ear.keys[:, None] for ear in above)
        flow = sum((ear.attention * ear.scale)[None, :, None] * ear.keys[:, None] for ear in above)
        assert isinstance(score, Tensor)
        assert isinstance(flow, Tensor)
        routes.append(Path(None, range(low, layer), score, flow))
        low = layer
    return routes
