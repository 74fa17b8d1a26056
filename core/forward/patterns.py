"""Attention patterns of one run on the values of another: what heads write when only their attention weights differ.

A head's output at a query position is the sum over key positions of its attention weight times the value there. With
the weights of the alternative run and the values of the base run this is what the head writes in the base run after
its pattern was replaced, so a copied pattern is a copied head output (`core.forward.patching`). Values are those that
the layer's value map gives out, bias included; rotary positions do not touch them.
"""

import torch
from einops import rearrange, repeat
from jaxtyping import Float
from torch import Tensor

from core.model.load import LoadedModel
from core.model.weights import fused_values


def head_values(lm: LoadedModel, output: Float[Tensor, "row pos width"]) -> Float[Tensor, "row head pos d_head"]:
    """The values that each query head reads, from the output of `Modules.value`.

    Query heads of a group read the same values.
    """
    if len(lm.architecture.query_key_value) == 1:
        values = fused_values(lm, output)
    else:
        values = rearrange(output, "row pos (kv_head d_head) -> row pos kv_head d_head", d_head=lm.d_head)
    group = lm.n_heads // values.shape[2]
    return repeat(values, "row pos kv_head d_head -> row (kv_head group) pos d_head", group=group)


def patterned(
    lm: LoadedModel, pattern: Float[Tensor, "row head query key"], output: Float[Tensor, "row pos width"]
) -> Float[Tensor, "row pos heads_by_d_head"]:
    """The concatenated heads (the input of the output map) with some attention weights and some values.

    Args:
        lm: the model.
        pattern: attention weights.
        output: of `Modules.value`, in the run that the heads write into.
    """
    z = torch.matmul(pattern, head_values(lm, output))
    return rearrange(z, "row head pos d_head -> row pos (head d_head)")
