"""What does a direction of the residual stream say in the vocabulary, before and after an attention layer?

`W_U (g * x)` with the final norm's weight g; `T_j(x) = W_O W_V (g_j * x)` carries x through
attention layer j (CNA §4.4). Both leave out the norm's scale, which does not change the
order of tokens, and what the layers between do.
"""

from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from core.readout import Readout
from core.weights import value_output

if TYPE_CHECKING:
    from core.model import LoadedModel


def project(
    lm: "LoadedModel", vectors: Float[Tensor, "*batch d_model"], readout: Readout | None = None
) -> Float[Tensor, "*batch vocab"]:
    """`W_U (g * x)`: residual stream vectors in the vocabulary, up to the norm's scale.

    Pass the readout when projecting often: it is a float32 copy of the output matrix.
    """
    return project_on_device(vectors.cpu(), readout or Readout.of(lm), torch.device("cpu"))


def project_on_device(
    vectors: Float[Tensor, "*batch d_model"], readout: Readout, device: torch.device
) -> Float[Tensor, "*batch vocab"]:
    """The same on a given device, for work that looks at many logits and keeps little of them."""
    vectors = vectors.to(device)
    centred = vectors - vectors.mean(-1, keepdim=True) if readout.centered else vectors
    return centred * readout.weight.to(device) @ readout.unembedding.to(device).T


def through_attention(
    lm: "LoadedModel", vectors: Float[Tensor, "*batch d_model"], layer: int, carry: Tensor | None = None
) -> Float[Tensor, "*batch d_model"]:
    """`T_j(x) = W_O W_V (g_j * x)`, up to the norm's scale: what attention layer j passes on.

    Pass `carry`, the layer's `value_output`, when many vectors go through one layer.
    """
    if lm.architecture.norm == "layer":
        vectors = vectors - vectors.mean(-1, keepdim=True)
    carry = value_output(lm, layer) if carry is None else carry
    return vectors * lm.modules.attention_norm(layer).weight.float().cpu() @ carry.T
