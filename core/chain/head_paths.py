"""What one head brings to one deep neuron: from which positions, and what was written there.

The CNA notebook's steps (its cells 8 to 12): what each head of a layer brings from each position to the last one,
along the neuron's up and gate keys; then what each earlier output (embedding, attention, FFN) at a position would
bring through this head; and for the attention layers among them, from which positions they had it. Weights are
inner products as in `core.chain.pe_dag`: signed so that positive enhances, without biases and without the scale of
the neuron's own norm. This head's attention is in the first kind only (times `attention` the others are
attention-weighted too), so the others also score what the head did not attend to.
"""

from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from core.chain.keys import keys_of
from core.chain.reach import check_reach
from core.errors import UserError
from core.forward.record import ActivationCache
from core.hooks import check_head
from core.model.load import LoadedModel
from core.model.norms import frozen_scale
from core.progress import Progress, silent
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
        at: the position that is looked at more closely.
        by_origin: of what each earlier attention layer wrote there, the part that it brought from each position;
            their sum is that layer's `by_source`, but for biases.
    """

    head: Head
    neuron: Neuron
    tokens: list[str]
    attention: Float[Tensor, " pos"]
    by_head: Float[Tensor, "map pos head"]
    sources: list[str]
    by_source: Float[Tensor, "map source pos"]
    at: int
    by_origin: Float[Tensor, "map layer pos"]

    @property
    def via(self) -> int:
        """The position from which this head brings the neuron most."""
        return _strongest(self.by_head, self.head)

    @property
    def strongest_attention(self) -> int | None:
        """The earlier attention layer whose output at `at` has the largest weight; None where there is none."""
        return int(self.by_source[:, 1::2, self.at].sum(0).argmax()) if self.head[0] else None

    def positions_frame(self) -> pd.DataFrame:
        """One row per position: position, token, attention, weights of this head and of its whole layer."""
        frame = pd.DataFrame({"position": range(len(self.tokens)), "token": self.tokens, "attention": self.attention})
        frame = _with_weights(frame, self.by_head[:, :, self.head[1]])
        frame["weight_layer"] = self.by_head.sum(-1).sum(0).numpy()
        return frame

    def layer_frame(self) -> pd.DataFrame:
        """One row per position: position, token, weights of all heads of the layer together."""
        frame = pd.DataFrame({"position": range(len(self.tokens)), "token": self.tokens})
        return _with_weights(frame, self.by_head.sum(-1))

    def heads_frame(self, position: int | None = None) -> pd.DataFrame:
        """One row per head of the layer, heaviest first, from one position; None: from all."""
        weights = self.by_head.sum(1) if position is None else self.by_head[:, position]
        frame = pd.DataFrame({"layer": self.head[0], "head": range(weights.shape[-1])})
        return _sorted(_with_weights(frame, weights))

    def sources_frame(self, position: int | None = None) -> pd.DataFrame:
        """One row per earlier output, heaviest first, at one position; None: at `at`."""
        at = self.at if position is None else position
        return _sorted(_with_weights(pd.DataFrame({"source": self.sources}), self.by_source[:, :, at]))

    def origins_frame(self, layer: int) -> pd.DataFrame:
        """One row per position: what an earlier attention layer brought from there to `at`."""
        frame = pd.DataFrame({"position": range(len(self.tokens)), "token": self.tokens})
        return _with_weights(frame, self.by_origin[:, layer])

    def to_frame(self) -> pd.DataFrame:
        """All of it as one table: of, name, position, weight_up, weight_gate, weight.

        `of` is "position" (name: the token), "head" or "source" (position: `at`), or "origin" (name: an attention
        layer; position: from where it brought something to `at`).
        """
        positions = self.positions_frame()
        tables = [
            positions.assign(of="position", name=positions["token"]),
            self.heads_frame(self.at).assign(of="head", position=self.at).rename(columns={"head": "name"}),
            self.sources_frame().assign(of="source", position=self.at).rename(columns={"source": "name"}),
            *(
                self.origins_frame(layer).assign(of="origin", name=f"attention {layer}")
                for layer in range(self.by_origin.shape[1])
            ),
        ]
        columns = ["of", "name", "position", "weight_up", "weight_gate", "weight"]
        return pd.concat([table[columns].astype({"name": str}) for table in tables], ignore_index=True)


def _strongest(by_head: Float[Tensor, "map pos head"], head: Head) -> int:
    return int(by_head[:, :, head[1]].sum(0).argmax())


def _with_weights(frame: pd.DataFrame, weights: Float[Tensor, "map row"]) -> pd.DataFrame:
    both = weights.numpy()
    frame["weight_up"], frame["weight_gate"] = both[0], both[1] if len(both) == 2 else 0.0
    frame["weight"] = both.sum(0)
    return frame


def _sorted(frame: pd.DataFrame) -> pd.DataFrame:
    return frame.sort_values("weight", ascending=False, kind="stable", ignore_index=True)


@torch.no_grad()
def head_paths(
    lm: LoadedModel,
    run: ActivationCache,
    head: Head,
    neuron: Neuron,
    at: int | None = None,
    progress: Progress = silent,
) -> HeadPaths:
    """Measures what one head brings to one deep neuron.

    Args:
        lm: the model.
        run: a run.
        head: (layer, head).
        neuron: (layer, neuron).
        at: the position to look at more closely; None: the one from which this head brings the neuron most.
        progress: told after each earlier layer.

    Raises:
        UserError: for a head, neuron or position that does not exist, or a neuron that the head cannot reach.
    """
    layer = head[0]
    if at is not None and not 0 <= at < len(run.ids):
        raise UserError(f"There is no position {at}: the prompt has {len(run.ids)} tokens, 0 to {len(run.ids) - 1}.")
    check_head(lm, *head)
    check_reach(lm, [head], neuron)
    pulled = OVMap.of(lm, layer).pull_back(keys_of(lm, run, [neuron]).signed[:, 0])  # (map, head, d_model)
    x = run.resid_pre[layer]
    scale = frozen_scale(lm, lm.modules.attention_norm(layer), x) * run.attention_scale[layer, -1]  # (pos)
    weighted = run.pattern[layer, :, -1].T * scale[:, None]  # (pos, head)
    by_head = torch.einsum("pd,mhd->mph", x, pulled) * weighted
    written = torch.cat([run.resid_pre[:1], *_earlier(run, layer)])  # (source, pos, d_model)
    by_source = torch.einsum("spd,md->msp", written, pulled[:, head[1]]) * scale
    names = ["embedding", *(f"{kind} {at}" for at in range(layer) for kind in ("attention", "FFN"))]
    tokens = [lm.token(i) for i in run.ids]
    attention = run.pattern[layer, head[1], -1]
    where = _strongest(by_head, head) if at is None else at
    keys = pulled[:, head[1]] * scale[where]
    origins = [_origins(lm, run, at_layer, keys, where, progress, layer) for at_layer in range(layer)]
    by_origin = torch.stack(origins, 1) if origins else torch.zeros(len(keys), 0, len(run.ids))
    return HeadPaths(head, neuron, tokens, attention, by_head, names, by_source, where, by_origin)


def _origins(
    lm: LoadedModel,
    run: ActivationCache,
    layer: int,
    keys: Float[Tensor, "map d_model"],
    at: int,
    progress: Progress,
    total: int,
) -> Float[Tensor, "map pos"]:
    """What an attention layer brought from each position to `at`, as inner products with some keys."""
    x = run.resid_pre[layer]
    scale = frozen_scale(lm, lm.modules.attention_norm(layer), x) * run.attention_scale[layer, at]
    found = torch.einsum(
        "pd,mhd,hp->mp", x * scale[:, None], OVMap.of(lm, layer).pull_back(keys), run.pattern[layer, :, at]
    )
    progress(layer + 1, total)
    return found


def _earlier(run: ActivationCache, layer: int) -> list[Tensor]:
    return [part[at : at + 1] for at in range(layer) for part in (run.attention_out, run.ffn_out)]
