"""The names of the modules that hold heads and neurons: one table, one row per architecture.

Nowhere else is a module spelled by name. A new architecture is a new row, if its
attention ends in one linear map over concatenated heads and its FFN in one linear map
over neurons; the rows differ in norm, gate, and whether attention and FFN run in
parallel (both read the residual stream before the layer).
"""

from dataclasses import dataclass
from typing import Any, Literal

from torch import nn

from core.errors import UserError


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
        ffn: the FFN module of a layer.
        ffn_norm: the norm that the FFN reads through.
        neuron_output: the linear map whose input is the neurons' coefficients.
        neuron_input: the maps whose rows are the neurons' keys: (gate, up), or one map.
        norm: root mean square (`rms`) or mean and variance with a bias (`layer`).
        parallel: whether attention and FFN both read the layer's input; None: the
            config's `use_parallel_residual` says.
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
)


ARCHITECTURES: dict[str, Architecture] = {
    "llama": _LLAMA,
    "mistral": _LLAMA,
    "qwen2": _LLAMA,
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
        ffn="mlp",
        ffn_norm="post_attention_layernorm",
        neuron_output="mlp.dense_4h_to_h",
        neuron_input=("mlp.dense_h_to_4h",),
        norm="layer",
        parallel=None,
        stored_unembedding="embed_out",
    ),
}


def architecture_of(model_type: str | None) -> Architecture:
    """The row of a config's `model_type`.

    Raises:
        UserError: naming the supported types.
    """
    if model_type not in ARCHITECTURES:
        known = ", ".join(sorted(ARCHITECTURES))
        raise UserError(f"Models of type {model_type!r} are not supported. Choose one of these types: {known}.")
    return ARCHITECTURES[model_type]


class Modules:
    """The modules of one loaded model, by what they are for."""

    def __init__(self, model: Any, row: Architecture):
        self.row = row
        self.layers: list[nn.Module] = list(model.get_submodule(row.layers))
        self.embedding: nn.Embedding = model.get_submodule(row.embedding)
        self.final_norm: Any = model.get_submodule(row.final_norm)
        self.unembedding: nn.Linear = model.get_submodule(row.unembedding)
        parallel = row.parallel
        self.parallel = bool(getattr(model.config, "use_parallel_residual", True)) if parallel is None else parallel

    def attention(self, layer: int) -> nn.Module:
        """The attention module; its output is added to the residual stream."""
        return self._in(layer, self.row.attention)

    def attention_norm(self, layer: int) -> Any:
        """The norm that attention reads through."""
        return self._in(layer, self.row.attention_norm)

    def head_output(self, layer: int) -> nn.Linear:
        """The linear map whose input is the concatenated heads."""
        return self._in(layer, self.row.head_output)

    def value(self, layer: int) -> nn.Linear:
        """The linear map whose output holds the heads' values: W_V, or the fused map of query, key and value."""
        return self._in(layer, self.row.query_key_value[-1])

    def ffn(self, layer: int) -> nn.Module:
        """The FFN module; its output is added to the residual stream."""
        return self._in(layer, self.row.ffn)

    def ffn_norm(self, layer: int) -> Any:
        """The norm that the FFN reads through."""
        return self._in(layer, self.row.ffn_norm)

    def neuron_output(self, layer: int) -> nn.Linear:
        """The linear map whose input is the neurons' coefficients and whose columns are their values."""
        return self._in(layer, self.row.neuron_output)

    def neuron_input(self, layer: int) -> list[nn.Linear]:
        """The maps whose rows are the neurons' keys: gate and up, or one."""
        return [self._in(layer, path) for path in self.row.neuron_input]

    def _in(self, layer: int, path: str) -> Any:
        return self.layers[layer].get_submodule(path)
