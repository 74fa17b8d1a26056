"""The names of the modules that hold heads and neurons: one table, one row per architecture.

Nowhere else is a module spelled by name. A new architecture is a new row, if its
attention ends in one linear map over concatenated heads and its FFN in one linear map
over neurons; the rows differ in norm, gate, fused maps, learned positions, and whether
attention and FFN run in parallel (both read the residual stream before the layer).
docs/add-an-architecture.md says how.
"""

from dataclasses import dataclass, replace
from typing import Any, Literal

import torch
from jaxtyping import Float, Int
from torch import Tensor, nn

from core.errors import UserError
from core.model.linear_maps import KeyMap, LinearMap, Writer, out_in


@dataclass(frozen=True)
class Architecture:
    """Module paths of one model type, relative to the model or to a layer.

    Attributes:
        layers: the list of layers.
        embedding: token embedding.
        final_norm: the norm before the output matrix.
        unembedding: the output matrix W_U.
        attention: the attention module of a layer.
        attention_norm: the norm that attention reads through.
        head_output: the linear map whose input is the concatenated heads (`W_O`).
        query_key_value: the maps into heads; one fused map, or query, key, value.
        fused: how a fused map holds its three parts: those of each head together (`by head`),
            or all queries, then all keys, then all values (`by part`).
        ffn: the FFN module of a layer.
        ffn_norm: the norm that the FFN reads through.
        neuron_output: the linear map whose input is the neurons' coefficients.
        neuron_input: the maps whose rows are the neurons' keys: (gate, up), or one map.
        attention_post_norm: the norm through which attention's output reaches the residual stream; "" for none.
        ffn_post_norm: the same of the FFN's output.
        gated: whether a neuron has two keys, gate and up; one map then holds all gates, then all ups.
        norm: root mean square (`rms`) or mean and variance with a bias (`layer`).
        unit_offset: whether norms multiply by 1 + weight.
        parallel: whether attention and FFN both read the layer's input; None: the
            config's `use_parallel_residual` says.
        positions: the embedding of positions, where it is learned; "" for none.
        logit_cap: the config's setting of the logits' soft-cap; "" for none.
        transposed: whether files hold maps as [in, out] (transformers' Conv1D).
        stored_unembedding: the output matrix's name in files, where it is another one.
    """

    layers: str
    embedding: str
    final_norm: str
    unembedding: str
    attention: str
    attention_norm: str
    head_output: str
    query_key_value: tuple[str, ...]
    ffn: str
    ffn_norm: str
    neuron_output: str
    neuron_input: tuple[str, ...]
    norm: Literal["rms", "layer"]
    parallel: bool | None
    gated: bool = False
    fused: Literal["by head", "by part"] = "by part"
    unit_offset: bool = False
    attention_post_norm: str = ""
    ffn_post_norm: str = ""
    logit_cap: str = ""
    positions: str = ""
    transposed: bool = False
    stored_unembedding: str | None = None


_LLAMA = Architecture(
    layers="model.layers",
    embedding="model.embed_tokens",
    final_norm="model.norm",
    unembedding="lm_head",
    attention="self_attn",
    attention_norm="input_layernorm",
    head_output="self_attn.o_proj",
    query_key_value=("self_attn.q_proj", "self_attn.k_proj", "self_attn.v_proj"),
    ffn="mlp",
    ffn_norm="post_attention_layernorm",
    neuron_output="mlp.down_proj",
    neuron_input=("mlp.gate_proj", "mlp.up_proj"),
    norm="rms",
    parallel=False,
    gated=True,
)


_GEMMA = replace(
    _LLAMA,
    ffn_norm="pre_feedforward_layernorm",
    unit_offset=True,
    attention_post_norm="post_attention_layernorm",
    ffn_post_norm="post_feedforward_layernorm",
    logit_cap="final_logit_softcapping",
)


ARCHITECTURES: dict[str, Architecture] = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
    "qwen3": _LLAMA,  # the norms of its queries and keys are inside its attention, and leave values alone
    "gpt2": Architecture(
        layers="transformer.h",
        embedding="transformer.wte",
        final_norm="transformer.ln_f",
        unembedding="lm_head",
        attention="attn",
        attention_norm="ln_1",
        head_output="attn.c_proj",
        query_key_value=("attn.c_attn",),
        ffn="mlp",
        ffn_norm="ln_2",
        neuron_output="mlp.c_proj",
        neuron_input=("mlp.c_fc",),
        norm="layer",
        parallel=False,
        positions="transformer.wpe",
        transposed=True,
    ),
    "gemma2": _GEMMA,
    "gemma3_text": _GEMMA,
    "phi3": replace(
        _LLAMA,
        query_key_value=("self_attn.qkv_proj",),
        neuron_input=("mlp.gate_up_proj",),
    ),
    "gptj": Architecture(
        layers="transformer.h",
        embedding="transformer.wte",
        final_norm="transformer.ln_f",
        unembedding="lm_head",
        attention="attn",
        attention_norm="ln_1",
        head_output="attn.out_proj",
        query_key_value=("attn.q_proj", "attn.k_proj", "attn.v_proj"),
        ffn="mlp",
        ffn_norm="ln_1",
        neuron_output="mlp.fc_out",
        neuron_input=("mlp.fc_in",),
        norm="layer",
        parallel=True,
    ),
    "gpt_neox": Architecture(
        layers="gpt_neox.layers",
        embedding="gpt_neox.embed_in",
        final_norm="gpt_neox.final_layer_norm",
        unembedding="lm_head",
        attention="attention",
        attention_norm="input_layernorm",
        head_output="attention.dense",
        query_key_value=("attention.query_key_value",),
        fused="by head",
        ffn="mlp",
        ffn_norm="post_attention_layernorm",
        neuron_output="mlp.dense_4h_to_h",
        neuron_input=("mlp.dense_h_to_4h",),
        norm="layer",
        parallel=None,
        stored_unembedding="embed_out",
    ),
}


#: Where it is told how to add one.
HOW_TO_ADD = "docs/add-an-architecture.md"


def architecture_of(model_type: str | None) -> Architecture:
    """The row of a config's `model_type`.

    Raises:
        UserError: naming the supported types.
    """
    if model_type not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise UserError(
            f"Models of type {model_type!r} are not supported. Choose one of these types: {known}. "
            f"{HOW_TO_ADD} says how a type is added."
        )
    return ARCHITECTURES[model_type]


def windows_of(config: Any) -> dict[str, int | None]:
    """How far back attention looks, by the config's kinds of layers; None: to the beginning."""
    window = getattr(config, "sliding_window", None)
    kinds = set(getattr(config, "layer_types", None) or ())
    known = {"full_attention": None, "sliding_attention": window}
    if other := sorted(kinds - known.keys()):
        raise UserError(
            f"This model has layers of the kind {other[0]}, whose attention is not supported: only full attention and "
            "sliding windows are. Choose another model of this type."
        )
    if getattr(config, "use_bidirectional_attention", False):
        raise UserError("This model reads in both directions and predicts no next token. Choose a causal model.")
    return {kind: known[kind] for kind in sorted(kinds)} or {"all": window}


class Modules:
    """The modules of one loaded model, by what they are for."""

    def __init__(self, model: Any, row: Architecture):
        self.row = row
        self.layers: list[nn.Module] = list(model.get_submodule(row.layers))
        self.embedding: nn.Embedding = model.get_submodule(row.embedding)
        self.final_norm: Any = model.get_submodule(row.final_norm)
        self.unembedding: nn.Linear = model.get_submodule(row.unembedding)
        self.positions: nn.Embedding | None = model.get_submodule(row.positions) if row.positions else None
        self.logit_cap: float | None = getattr(model.config, row.logit_cap) if row.logit_cap else None
        parallel = row.parallel
        self.parallel = bool(getattr(model.config, "use_parallel_residual", True)) if parallel is None else parallel

    def embed(self, ids: Int[Tensor, "row pos"]) -> Float[Tensor, "row pos d_model"]:
        """The residual stream before layer 0: token embeddings, and learned ones of positions 0, 1, ..."""
        x: Tensor = self.embedding(ids)
        return x if self.positions is None else x + self.positions(torch.arange(ids.shape[1], device=ids.device))

    def logits(self, x: Float[Tensor, "*batch d_model"]) -> Float[Tensor, "*batch vocab"]:
        """Next-token logits, as the model makes them of the last layer's output."""
        logits: Tensor = self.unembedding(self.final_norm(x))
        return logits if self.logit_cap is None else torch.tanh(logits / self.logit_cap) * self.logit_cap

    def gain(self, norm: Any) -> Float[Tensor, " d_model"]:
        """What a norm multiplies by, in float32."""
        weight: Tensor = norm.weight.detach().float()
        return 1 + weight if self.row.unit_offset else weight

    def attention(self, layer: int) -> nn.Module:
        """The attention module; its second output are the attention weights."""
        return self._in(layer, self.row.attention)

    def attention_end(self, layer: int) -> Any:
        """The module whose output is added to the residual stream: attention, or the norm after it."""
        return self._in(layer, self.row.attention_post_norm or self.row.attention)

    def attention_norm(self, layer: int) -> Any:
        """The norm that attention reads through."""
        return self._in(layer, self.row.attention_norm)

    def head_writer(self, layer: int) -> Writer:
        """W_O as it reaches the residual stream."""
        after = self.row.attention_post_norm
        return Writer(self.head_output(layer), self.gain(self.attention_end(layer)) if after else None)

    def head_output(self, layer: int) -> LinearMap:
        """The linear map whose input is the concatenated heads."""
        return self._in(layer, self.row.head_output)

    def value(self, layer: int) -> LinearMap:
        """The linear map whose output holds the heads' values: W_V, or the fused map of query, key and value."""
        return self._in(layer, self.row.query_key_value[-1])

    def ffn(self, layer: int) -> nn.Module:
        """The FFN module."""
        return self._in(layer, self.row.ffn)

    def ffn_end(self, layer: int) -> Any:
        """The module whose output is added to the residual stream: the FFN, or the norm after it."""
        return self._in(layer, self.row.ffn_post_norm or self.row.ffn)

    def ffn_norm(self, layer: int) -> Any:
        """The norm that the FFN reads through."""
        return self._in(layer, self.row.ffn_norm)

    def neuron_output(self, layer: int) -> LinearMap:
        """The linear map whose input is the neurons' coefficients and whose columns are their values."""
        return self._in(layer, self.row.neuron_output)

    def neuron_writer(self, layer: int) -> Writer:
        """The neurons' values, as columns, as they reach the residual stream."""
        after = self.row.ffn_post_norm
        return Writer(self.neuron_output(layer), self.gain(self.ffn_end(layer)) if after else None)

    def neuron_input(self, layer: int) -> list[KeyMap]:
        """Where the neurons' keys are: gate and up, or one."""
        modules = [self._in(layer, path) for path in self.row.neuron_input]
        if self.row.gated and len(modules) == 1:
            n = out_in(modules[0], modules[0].weight).shape[0] // 2
            return [KeyMap(modules[0], 0), KeyMap(modules[0], n)]
        return [KeyMap(module, 0) for module in modules]

    def _in(self, layer: int, path: str) -> Any:
        return self.layers[layer].get_submodule(path)
