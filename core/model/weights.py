"""Weights in float32: values and keys of neurons, and the value map of attention.

8-bit weights are read through bitsandbytes' own scale. Where a norm follows the FFN (Gemma), a neuron's value is its
column of the output map times that norm's gain: the norm is linear once its scale is the run's
(`ActivationCache.ffn_scale`), so what the neurons of a layer write still adds up to what the FFN adds to the stream.
"""

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from core.errors import UserError
from core.model.linear_maps import Writer, n_inputs, out_in
from core.model.load import LoadedModel


def matrix(module: Any) -> Float[Tensor, "out in"]:
    """The weight of a linear map in float32, on the CPU, whatever it is stored as."""
    return on_device(module).cpu()


def on_device(module: Any) -> Float[Tensor, "out in"]:
    """The weight of a linear map in float32, where it lies."""
    return _read(module, slice(None), slice(None))


def rows(module: Any, which: Sequence[int]) -> Float[Tensor, "row in"]:
    """Some rows of a linear map in float32, on the CPU; the others are not converted."""
    return _read(module, list(which), slice(None)).cpu()


def columns_on_device(module: Any, which: Sequence[int] | Tensor) -> Float[Tensor, "out column"]:
    """Some columns of a linear map in float32, where it lies; the others are not converted."""
    return _read(module, slice(None), torch.as_tensor(which, device=_map(module).weight.device))


def column_blocks(module: Any, count: int) -> Iterator[tuple[slice, Float[Tensor, "out column"]]]:
    """The columns of a linear map in float32, where it lies: one block of `count` after another, with its place."""
    n = n_inputs(_map(module))
    for start in range(0, n, max(1, count)):
        place = slice(start, min(start + max(1, count), n))
        yield place, _read(module, slice(None), place)


def columns(module: Any, which: Sequence[int]) -> Float[Tensor, "out column"]:
    """Some columns of a linear map in float32, on the CPU; the others are not converted."""
    return _read(module, slice(None), list(which)).cpu()


def _map(module: Any) -> Any:
    return module.module if isinstance(module, Writer) else module


def _read(module: Any, row: Any, column: Any) -> Tensor:
    if isinstance(module, Writer):
        part = _read(module.module, row, column)
        return part if module.gain is None else part * module.gain[row, None]
    weight = out_in(module, module.weight.detach())
    if weight.is_floating_point():
        return weight[row][:, column].float()
    if weight.dtype != torch.int8:
        raise UserError(f"Weights stored as {weight.dtype} cannot be read. Load the model as fp16 or int8.")
    codes, scale = module.weight.CB, module.weight.SCB
    if scale is None:  # after the first forward pass they live in the module's state
        codes, scale = module.state.CB, module.state.SCB
    return codes[row][:, column].float() * scale[row].float()[:, None] / 127


def values(lm: LoadedModel, layer: int) -> Float[Tensor, "neuron d_model"]:
    """Every neuron's value vector: the columns of the FFN output map, times the gain of a norm after it."""
    return matrix(lm.modules.neuron_writer(layer)).T


def value_map(lm: LoadedModel, layer: int) -> Float[Tensor, "kv_head d_head d_model"]:
    """`W_V` by its own heads, without bias, where it lies; query head h reads slice `h // group`."""
    names = lm.architecture.query_key_value
    block = lm.modules.layers[layer]
    if len(names) == 3:
        return rearrange(
            on_device(block.get_submodule(names[2])),
            "(kv_head d_head) d_model -> kv_head d_head d_model",
            d_head=lm.d_head,
        )
    return fused_values(lm, on_device(block.get_submodule(names[0])).T).movedim(0, -1)


def fused_values(lm: LoadedModel, output: Float[Tensor, "*batch width"]) -> Float[Tensor, "*batch kv_head d_head"]:
    """The values among the outputs of a fused map of query, key and value."""
    if lm.architecture.fused == "by head":
        return rearrange(output, "... (head qkv d_head) -> ... qkv head d_head", qkv=3, d_head=lm.d_head)[..., 2, :, :]
    n_values = (output.shape[-1] - lm.n_heads * lm.d_head) // 2
    return rearrange(output[..., -n_values:], "... (kv_head d_head) -> ... kv_head d_head", d_head=lm.d_head)
