"""What does attention make of what it looks at, and which part of it does a later key hear?

Attention layer j passes `T_j(u) = W_O W_V (g_j * u)` on, one term a head (CNA §4.4). To score many
vectors u against few keys it is the keys that are pulled back: `T_j(u) . key = u . pulled`,
so a neuron costs one inner product. Biases and the norm's scale are left to the caller, and
so are attention weights.
"""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from core.norms import before_norm
from core.weights import on_device, value_map

if TYPE_CHECKING:
    from core.model import LoadedModel


@torch.no_grad()
def pull_back(lm: "LoadedModel", layer: int, keys: Float[Tensor, "key d_model"]) -> Float[Tensor, "key head d_model"]:
    """For each head of a layer: the vector whose inner product with u is that of `W_O W_V (g * u)` with the key."""
    value = value_map(lm, layer)  # (kv_head, d_head, d_model)
    z = keys.to(value.device) @ on_device(lm.modules.head_output(layer))  # (key, head * d_head)
    z = z.view(len(keys), len(value), -1, lm.d_head)  # (key, kv_head, head of the group, d_head)
    pulled = torch.einsum("kvgd,vdm->kvgm", z, value).flatten(1, 2)
    return before_norm(lm, lm.modules.attention_norm(layer), pulled).cpu()


@torch.no_grad()
def carry(lm: "LoadedModel", layer: int, vectors: Float[Tensor, "n d_model"]) -> Float[Tensor, "n d_model"]:
    """`W_O W_V (g * u)` of a whole attention layer, without ever multiplying the two matrices."""
    value, output = value_map(lm, layer), on_device(lm.modules.head_output(layer))
    if lm.architecture.norm == "layer":
        vectors = vectors - vectors.mean(-1, keepdim=True)
    normed = vectors.to(value.device) * lm.modules.attention_norm(layer).weight.float()
    z = torch.einsum("nm,vdm->nvd", normed, value)  # (n, kv_head, d_head)
    group = output.shape[1] // (z.shape[1] * lm.d_head)
    return (z.repeat_interleave(group, 1).flatten(1) @ output.T).cpu()
