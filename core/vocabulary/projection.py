"""What does a direction of the residual stream say in the vocabulary, before and after an attention layer?

`W_U (g * x)` with the final norm's weight g; `T_j(x) = W_O W_V (g_j * x)` carries x through
attention layer j (CNA §4.4). Both leave out the norm's scale, which does not change the
order of tokens, and what the layers between do.

What does attention make of what it looks at, and which part of it does a later key hear?

Attention layer j passes `T_j(u) = W_O W_V (g_j * u)` on, one term a head (CNA §4.4). To score many
vectors u against few keys it is the keys that are pulled back: `T_j(u) . key = u . pulled`,
so a neuron costs one inner product. Biases and the norm's scale are left to the caller, and
so are attention weights.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from core.model.load import LoadedModel
from core.model.norms import before_norm
from core.model.unembed import Unembedding
from core.model.weights import on_device, value_map, value_output


def project(
    lm: LoadedModel, vectors: Float[Tensor, "*batch d_model"], readout: Unembedding | None = None
) -> Float[Tensor, "*batch vocab"]:
    """`W_U (g * x)`: residual stream vectors in the vocabulary, up to the norm's scale.

    Pass the readout when projecting often: it is a float32 copy of the output matrix.
    """
    return project_on_device(vectors.cpu(), readout or Unembedding.of(lm), torch.device("cpu"))


def project_on_device(
    vectors: Float[Tensor, "*batch d_model"], readout: Unembedding, device: torch.device
) -> Float[Tensor, "*batch vocab"]:
    """The same on a given device, for work that looks at many logits and keeps little of them."""
    vectors = vectors.to(device)
    centred = vectors - vectors.mean(-1, keepdim=True) if readout.centered else vectors
    return centred * readout.weight.to(device) @ readout.unembedding.to(device).T


def through_attention(
    lm: LoadedModel, vectors: Float[Tensor, "*batch d_model"], layer: int, carry: Tensor | None = None
) -> Float[Tensor, "*batch d_model"]:
    """`T_j(x) = W_O W_V (g_j * x)`, up to the norm's scale: what attention layer j passes on.

    Pass `carry`, the layer's `value_output`, when many vectors go through one layer.
    """
    if lm.architecture.norm == "layer":
        vectors = vectors - vectors.mean(-1, keepdim=True)
    carry = value_output(lm, layer) if carry is None else carry
    return vectors * lm.modules.attention_norm(layer).weight.float().cpu() @ carry.T


@torch.no_grad()
def pull_back(lm: LoadedModel, layer: int, keys: Float[Tensor, "key d_model"]) -> Float[Tensor, "key head d_model"]:
    """For each head of a layer: the vector whose inner product with u is that of `W_O W_V (g * u)` with the key."""
    value = value_map(lm, layer)  # (kv_head, d_head, d_model)
    z = keys.to(value.device) @ on_device(lm.modules.head_output(layer))  # (key, head * d_head)
    z = z.view(len(keys), len(value), -1, lm.d_head)  # (key, kv_head, head of the group, d_head)
    pulled = torch.einsum("kvgd,vdm->kvgm", z, value).flatten(1, 2)
    return before_norm(lm, lm.modules.attention_norm(layer), pulled).cpu()


@torch.no_grad()
def carry(lm: LoadedModel, layer: int, vectors: Float[Tensor, "n d_model"]) -> Float[Tensor, "n d_model"]:
    """`W_O W_V (g * u)` of a whole attention layer, without ever multiplying the two matrices."""
    value, output = value_map(lm, layer), on_device(lm.modules.head_output(layer))
    if lm.architecture.norm == "layer":
        vectors = vectors - vectors.mean(-1, keepdim=True)
    normed = vectors.to(value.device) * lm.modules.attention_norm(layer).weight.float()
    z = torch.einsum("nm,vdm->nvd", normed, value)  # (n, kv_head, d_head)
    group = output.shape[1] // (z.shape[1] * lm.d_head)
    return (z.repeat_interleave(group, 1).flatten(1) @ output.T).cpu()
