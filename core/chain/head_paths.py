"""What one head brings to one deep neuron: from which positions, and what was written there.

The CNA notebook's steps: what each head of a layer brings from each position to the last one, along the
neuron's up and gate keys; then what each earlier output (embedding, attention, FFN) at a position would bring
through this head. Weights are inner products as in `core.chain.pe_dag`: signed so that positive enhances,
without biases and without the scale of the neuron's own norm. The second kind has no attention in it
(times `attention` it is attention-weighted), so it also scores what the head did not attend to.
"""

from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from core.chain.keys import keys_of
from core.chain.reach import check_reach
from core.forward.record import ActivationCache
from core.hooks import check_head
from core.model.load import LoadedModel
from core.model.norms import frozen_scale
from core.types import Head, Neuron
from core.vocabulary.projection import OVMap


@dataclass(frozen=True)
class HeadPaths:
    """What reaches one deep neuron through the heads of one layer, last position; maps are (up, gate) or one.

    Attributes:
        head: (layer, head).
        neuron: (layer, neuron).
        tokens: of every position.
        attention: of the head, from the last position.
        by_head: inner products of what each head of the layer brings from each position.
        sources: names of the earlier outputs: "embedding", "attention 0", "FFN 0", ...
        by_source: inner products of each of them at each position, carried by this head with weight 1.
    """

    head: Head
    neuron: Neuron
    tokens: list[str]
    attention: Float[Tensor, " pos"]
    by_head: Float[Tensor, "map pos head"]
    sources: list[str]
    by_source: Float[Tensor, "map source pos"]

    @property
    def via(self) -> int:
        """The position from which this head brings the neuron most."""
        return int(self.by_head[:, :, self.head[1]].sum(0).argmax())

    def positions_frame(self) -> pd.DataFrame:
        """One row per position: position, token, attention, weights of this head and of its whole layer."""
        frame = pd.DataFrame({"position": range(len(self.tokens)), "token": self.tokens, "attention": self.attention})
        frame = _with_weights(frame, self.by_head[:, :, self.head[1]])
        frame["weight_layer"] = self.by_head.sum(-1).sum(0).numpy()
        return frame

    def heads_frame(self, position: int | None = None) -> pd.DataFrame:
        """One row per head of the layer, heaviest first, from one position; None: from all."""
        weights = self.by_head.sum(1) if position is None else self.by_head[:, position]
        frame = pd.DataFrame({"layer": self.head[0], "head": range(weights.shape[-1])})
        return _sorted(_with_weights(frame, weights))

    def sources_frame(self, position: int | None = None) -> pd.DataFrame:
        """One row per earlier output, heaviest first, at one position; None: at `via`."""
        at = self.via if position is None else position
        return _sorted(_with_weights(pd.DataFrame({"source": self.sources}), self.by_source[:, :, at]))


def _with_weights(frame: pd.DataFrame, weights: Float[Tensor, "map row"]) -> pd.DataFrame:
    both = weights.numpy()
    frame["weight_up"], frame["weight_gate"] = both[0], both[1] if len(both) == 2 else 0.0
    frame["weight"] = both.sum(0)
    return frame


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values("weight", ascending=False, kind="stable", ignore_index=True)


@torch.no_grad()
def head_paths(lm: LoadedModel, run: ActivationCache, head: Head, neuron: Neuron) -> HeadPaths:
    """Measures what one head brings to one deep neuron.

    Raises:
        UserError: for a head or neuron that does not exist, or a neuron that the head cannot reach.
    """
    layer = head[0]
    check_head(lm, *head)
    check_reach(lm, [head], neuron)
    pulled = OVMap.of(lm, layer).pull_back(keys_of(lm, run, [neuron]).signed[:, 0])  # (map, head, d_model)
    x = run.resid_pre[layer]
    scale = frozen_scale(lm, lm.modules.attention_norm(layer), x)  # (pos)
    weighted = run.pattern[layer, :, -1].T * scale[:, None]  # (pos, head)
    by_head = torch.einsum("pd,mhd->mph", x, pulled) * weighted
    written = torch.cat([run.resid_pre[:1], *_earlier(run, layer)])  # (source, pos, d_model)
    by_source = torch.einsum("spd,md->msp", written, pulled[:, head[1]]) * scale
    names = ["embedding", *(f"{kind} {at}" for at in range(layer) for kind in ("attention", "FFN"))]
    tokens = [lm.token(i) for i in run.ids]
    return HeadPaths(head, neuron, tokens, run.pattern[layer, head[1], -1], by_head, names, by_source)


def _earlier(run: ActivationCache, layer: int) -> list[Tensor]:
    return [part[at : at + 1] for at in range(layer) for part in (run.attention_out, run.ffn_out)]
