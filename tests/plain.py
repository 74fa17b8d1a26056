"""A transformers model run and read by hand: what the fast and exact ways of `core` are compared with.

Nothing of `core` is used, so that a mistake there cannot cancel out. Modules are named here
again, one row per model type; runs are made with hooks of torch; 8-bit weights are read by
bitsandbytes' own dequantisation; sums are float64.

CNA §4.1. `Imp = log p(w | r + m v) - log p(w | r)` at the last position, where r is the
residual stream before the neuron's FFN adds to it, m its coefficient and v its value, with the
final norm's scale frozen to the original run's.
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from typing import Any

import torch
from jaxtyping import Float
from torch import Tensor

# model type: layers, final norm, and within a layer W_O and the FFN's output map
_LLAMA = "model.layers", "model.norm", "self_attn.o_proj", "mlp.down_proj"
_PATHS = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,
    "phi3": _LLAMA,
    "gemma2": _LLAMA,
    "gemma3_text": _LLAMA,
    "gpt2": ("transformer.h", "transformer.ln_f", "attn.c_proj", "mlp.c_proj"),
    "gptj": ("transformer.h", "transformer.ln_f", "attn.out_proj", "mlp.fc_out"),
    "gpt_neox": ("gpt_neox.layers", "gpt_neox.final_layer_norm", "attention.dense", "mlp.dense_4h_to_h"),
}
# the norms through which attention's and the FFN's output reach the residual stream, of types that have them
_AFTER = dict.fromkeys(("gemma2", "gemma3_text"), ("post_attention_layernorm", "post_feedforward_layernorm"))
_CHUNK = 2**24  # logits at a time


@dataclass(frozen=True)
class PlainRun:
    """One forward pass at its last position, float64.

    Attributes:
        logits: of the next token.
        coefficient: m of every neuron.
        before_ffn: the residual stream with the layer's attention added, r.
        output: the last layer's output, before the final norm.
    """

    logits: Float[Tensor, " vocab"]
    coefficient: Float[Tensor, "layer neuron"]
    before_ffn: Float[Tensor, "layer d_model"]
    output: Float[Tensor, " d_model"]


def matrix(module: Any) -> Float[Tensor, "out in"]:
    """The matrix of a linear map, a view of what it holds: GPT-2's have inputs first."""
    stored: Tensor = module.weight
    return stored.T if type(module).__name__ == "Conv1D" else stored


def weight(module: Any) -> Float[Tensor, "out in"]:
    """The matrix of a linear map in float64."""
    stored = module.weight
    if stored.dtype != torch.int8:
        return matrix(module).detach().double().cpu()
    from bitsandbytes.functional import int8_vectorwise_dequant

    held = stored if getattr(stored, "SCB", None) is not None else module.state  # where it is after a first run
    return int8_vectorwise_dequant(held.CB, held.SCB).double().cpu()


def gain(model: Any, norm: Any) -> Float[Tensor, " d_model"]:
    """What a norm multiplies by, float64: Gemma's add 1 to their weights."""
    return norm.weight.detach().double().cpu() + (model.config.model_type in _AFTER)


def eps(norm: Any) -> float:
    """What a norm adds to the mean square."""
    return norm.variance_epsilon if hasattr(norm, "variance_epsilon") else norm.eps


def norms_after(model: Any, layer: int) -> tuple[Any, Any] | None:
    """The norms through which attention's and the FFN's output reach the residual stream; None: there are none."""
    block, names = model.get_submodule(_PATHS[model.config.model_type][0])[layer], _AFTER.get(model.config.model_type)
    return None if names is None else (block.get_submodule(names[0]), block.get_submodule(names[1]))


def values(model: Any, layer: int) -> Float[Tensor, "neuron d_model"]:
    """Every neuron's value, with the gain of a norm after the FFN, float64."""
    layers, *_, ffn_output = _PATHS[model.config.model_type]
    found = weight(model.get_submodule(layers)[layer].get_submodule(ffn_output)).T
    after = norms_after(model, layer)
    return found if after is None else found * gain(model, after[1])


def head_writer(model: Any, layer: int) -> Float[Tensor, "d_model heads_by_d_head"]:
    """W_O with the gain of a norm after attention, float32."""
    layers, _, head_output, _ = _PATHS[model.config.model_type]
    found = weight(model.get_submodule(layers)[layer].get_submodule(head_output))
    after = norms_after(model, layer)
    return (found if after is None else gain(model, after[0])[:, None] * found).float()


def written(model: Any, layer: int, coefficient: Float[Tensor, " neuron"]) -> Float[Tensor, "neuron d_model"]:
    """What each neuron of a layer adds to the residual stream, with the scale of a norm after the FFN frozen."""
    layers, *_, ffn_output = _PATHS[model.config.model_type]
    added, after = coefficient.double()[:, None] * values(model, layer), norms_after(model, layer)
    if after is None:
        return added
    whole = weight(model.get_submodule(layers)[layer].get_submodule(ffn_output)) @ coefficient.double()
    return added / (whole.pow(2).mean() + eps(after[1])).sqrt()


def values_of(model: Any, output: Float[Tensor, " width"], d_head: int) -> Float[Tensor, "kv_head d_head"]:
    """The values in one output of a model's value map, which may hold queries and keys too."""
    kind, n = model.config.model_type, n_heads(model)
    if kind == "gpt_neox":  # query, key and value of each head stand together
        return output.view(n, 3 * d_head)[:, 2 * d_head :]
    if kind in ("gpt2", "phi3"):  # all queries, all keys, all values
        return output[n * d_head :].view(2, -1, d_head)[1]
    return output.view(-1, d_head)


def n_heads(model: Any) -> int:
    """Query heads of each layer."""
    return model.config.num_attention_heads


@torch.no_grad()
def run(model: Any, ids: Sequence[int], off: Sequence[tuple[int, int]] = ()) -> PlainRun:
    """Runs a transformers model once.

    Args:
        model: a causal language model of transformers.
        ids: token ids.
        off: (layer, head) of the heads that are at zero, at every position.
    """
    layers, _, head_output, ffn_output = _PATHS[model.config.model_type]
    kept: dict[str, list[Tensor]] = {"resid": [], "attention": [], "coefficient": [], "output": []}

    def keep(name: str, value: Any) -> None:
        kept[name].append((value[0] if isinstance(value, tuple) else value)[0, -1].double().cpu())

    def without(heads: list[int], module: Any, args: tuple[Tensor]) -> tuple[Tensor]:
        z = args[0].clone().unflatten(-1, (n_heads(model), -1))
        z[..., heads, :] = 0
        return (z.flatten(-2),)

    blocks = list(model.get_submodule(layers))
    with ExitStack() as hooks:
        for number, block in enumerate(blocks):
            attend, add = block.get_submodule(head_output), block.get_submodule(ffn_output)
            attended = block.get_submodule(_AFTER.get(model.config.model_type, (head_output,))[0])
            heads = [head for layer, head in off if layer == number]
            for handle in (
                block.register_forward_pre_hook(lambda _, args: keep("resid", args[0])),
                attend.register_forward_pre_hook(partial(without, heads)),
                attended.register_forward_hook(lambda _, args, out: keep("attention", out)),
                add.register_forward_pre_hook(lambda _, args: keep("coefficient", args[0])),
            ):
                hooks.callback(handle.remove)
        hooks.callback(blocks[-1].register_forward_hook(lambda _, args, out: keep("output", out)).remove)
        logits = model(torch.tensor([list(ids)], device=model.device)).logits[0, -1]
    return PlainRun(
        logits=logits.double().cpu(),
        coefficient=torch.stack(kept["coefficient"]),
        before_ffn=torch.stack(kept["resid"]) + torch.stack(kept["attention"]),
        output=kept["output"][0],
    )


@torch.no_grad()
def log_probabilities(
    model: Any, y: Float[Tensor, "*batch d_model"], like: Float[Tensor, " d_model"] | None = None
) -> Float[Tensor, "*batch vocab"]:
    """Log p(. | y) of residual stream vectors.

    Args:
        model: a causal language model of transformers.
        y: vectors before the final norm.
        like: the vector whose scale the final norm uses; None: each its own.
    """
    norm, out = model.get_submodule(_PATHS[model.config.model_type][1]), model.get_output_embeddings()
    like = y if like is None else like
    if hasattr(norm, "bias"):  # LayerNorm
        scale = (like.var(-1, correction=0, keepdim=True) + norm.eps).sqrt()
        normed = (y - y.mean(-1, keepdim=True)) / scale * norm.weight.double().cpu() + norm.bias.double().cpu()
    else:
        scale = (like.pow(2).mean(-1, keepdim=True) + eps(norm)).sqrt()
        normed = y / scale * gain(model, norm)
    logits = normed @ weight(out).T
    if out.bias is not None:
        logits = logits + out.bias.double().cpu()
    if cap := getattr(model.config, "final_logit_softcapping", None):
        logits = cap * (logits / cap).tanh()
    return logits.log_softmax(-1)


def importances(
    model: Any, one: PlainRun, target: int, original: PlainRun | None = None
) -> Float[Tensor, "layer neuron"]:
    """Importance of every neuron, by the full vocabulary of each, in float32.

    Args:
        model: a causal language model of transformers.
        one: a run, with or without heads off.
        target: token id w.
        original: the run whose output gives the norm's scale; None: the run itself.
    """
    like = (original or one).output
    found = []
    for layer, (r, m) in enumerate(zip(one.before_ffn, one.coefficient, strict=True)):
        added = written(model, layer, m)  # (neuron, d_model)
        chunks = added.split(max(1, _CHUNK // model.config.vocab_size))
        after = torch.cat([log_probabilities(model, r + some, like)[:, target] for some in chunks])
        found.append(after - log_probabilities(model, r, like)[target])
    return torch.stack(found).float()


@contextmanager
def without_neurons(model: Any, pairs: Iterable[tuple[int, int]]) -> Iterator[None]:
    """Zeroes the values of some (layer, neuron) in the weights themselves while the block runs."""
    layers, *_, ffn_output = _PATHS[model.config.model_type]
    blocks = list(model.get_submodule(layers))
    kept = [block.get_submodule(ffn_output).weight.detach().clone() for block in blocks]
    try:
        with torch.no_grad():
            for layer, neuron in pairs:
                matrix(blocks[layer].get_submodule(ffn_output))[:, neuron] = 0
        yield
    finally:
        with torch.no_grad():
            for block, weights in zip(blocks, kept, strict=True):
                block.get_submodule(ffn_output).weight.copy_(weights)


@torch.no_grad()
def next_token(model: Any, ids: Sequence[int]) -> int:
    """The most likely token after some others."""
    return int(model(torch.tensor([list(ids)], device=model.device)).logits[0, -1].argmax())
