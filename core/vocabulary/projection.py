"""Directions of the residual stream read in the vocabulary, directly or after an attention layer (CNA §4.4).

A vector x is projected to `W_U (g * x)`, g the final norm's weight. Attention layer j makes
`T_j(x) = W_O W_V (g_j * x)` of what it reads, one term per head. Norm scales are left out: they do not change
the order of tokens, nor does a soft-cap of the logits. So are biases, attention weights, and whatever the layers
between do. Where a norm follows attention (Gemma), its gain is part of `W_O`.
"""

from dataclasses import dataclass

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from core.model.load import LoadedModel
from core.model.unembed import Unembedding
from core.model.weights import on_device, value_map


@torch.no_grad()
def project(lm: LoadedModel, vectors: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch vocab"]:
    """`W_U (g * x)`: residual stream vectors in the vocabulary, up to the norm's scale, on the model's device.

    A row of logits is as long as the vocabulary: give as many vectors at once as there is memory for.
    """
    unembedding = Unembedding.of(lm)
    return unembedding.product(unembedding.direction(vectors))


@dataclass(frozen=True)
class OVMap:
    """`T(x) = W_O W_V (g * x)` of an attention layer, kept as its two factors: what it makes of what it reads.

    Attributes:
        weight: g, the weight of the norm that attention reads through.
        centered: whether that norm takes the mean off first.
        value: `W_V` by its own heads; grouped-query models have fewer of them than query heads.
        output: `W_O` by query head.
    """

    weight: Float[Tensor, " d_model"]
    centered: bool
    value: Float[Tensor, "kv_head d_head d_model"]
    output: Float[Tensor, "d_model head d_head"]

    @classmethod
    @torch.no_grad()
    def of(cls, lm: LoadedModel, layer: int) -> "OVMap":
        """Reads one layer of a loaded model, in float32 where its weights lie."""
        output = on_device(lm.modules.head_writer(layer))
        return cls(
            weight=lm.modules.gain(lm.modules.attention_norm(layer)),
            centered=lm.architecture.norm == "layer",
            value=value_map(lm, layer),
            output=rearrange(output, "d_model (head d_head) -> d_model head d_head", d_head=lm.d_head),
        )

    @torch.no_grad()
    def carry(self, vectors: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch d_model"]:
        """`T(x)`, the sum over all heads, on the model's device."""
        x = self._center(vectors.to(self.weight.device)) * self.weight
        z = torch.einsum("...m,vdm->...vd", x, self.value)  # every value head's part
        return torch.einsum("...vd,mvgd->...m", z, self._output_by_value_head())

    @torch.no_grad()
    def pull_back(self, keys: Float[Tensor, "key d_model"]) -> Float[Tensor, "key head d_model"]:
        """For each head the vector whose inner product with x is that of the head's term of `T(x)` with the key.

        To score many vectors against few keys, one inner product per vector is then enough.
        """
        z = torch.einsum("km,mvgd->kvgd", keys.to(self.weight.device), self._output_by_value_head())
        pulled = torch.einsum("kvgd,vdm->kvgm", z, self.value)
        by_head = rearrange(pulled, "key kv_head group d_model -> key (kv_head group) d_model")
        return self._center(by_head * self.weight).cpu()  # to centre x, or what x is multiplied with, is the same

    def _output_by_value_head(self) -> Float[Tensor, "d_model kv_head group d_head"]:
        return rearrange(
            self.output, "d_model (kv_head group) d_head -> d_model kv_head group d_head", kv_head=len(self.value)
        )

    def _center(self, x: Tensor) -> Tensor:
        return x - x.mean(-1, keepdim=True) if self.centered else x
