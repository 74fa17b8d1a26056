"""Checkpoints with random bf16 weights in the shapes of real models, made when they are needed.

Weights are scaled so that the most likely token has a probability of a few percent and every layer adds about as
much to the residual stream, so that no analysis can end early because nothing changes. The tokenizer is the bundled
model's: what it does not know of a larger vocabulary is never read, but always predicted.
"""

from dataclasses import dataclass
from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM

from core.model.source import BUNDLED


@dataclass(frozen=True)
class Shape:
    """The dimensions of a Llama."""

    n_layers: int
    d_model: int
    n_neurons: int
    n_heads: int
    n_kv_heads: int
    n_vocab: int
    tied: bool = False

    def config(self) -> LlamaConfig:
        """As transformers is told."""
        return LlamaConfig(
            vocab_size=self.n_vocab,
            hidden_size=self.d_model,
            intermediate_size=self.n_neurons,
            num_hidden_layers=self.n_layers,
            num_attention_heads=self.n_heads,
            num_key_value_heads=self.n_kv_heads,
            tie_word_embeddings=self.tied,
            max_position_embeddings=2048,
            dtype="bfloat16",
        )


#: By name: the issue's own small model of a large vocabulary, and the true shapes.
SHAPES = {
    "wide-vocabulary": Shape(4, 1024, 2816, 8, 8, 128_256),
    "1.1B": Shape(22, 2048, 5632, 32, 4, 32_000),
    "Llama-3.2-1B": Shape(16, 2048, 8192, 32, 8, 128_256, tied=True),
    "7B-two-layers": Shape(2, 4096, 11_008, 32, 32, 32_000),
}


def make_checkpoint(shape: Shape, folder: Path, seed: int = 0) -> Path:
    """Writes a checkpoint of a shape into a folder, and returns the folder."""
    config = shape.config()
    with torch.device("meta"):
        model = LlamaForCausalLM(config).bfloat16()
    model = model.to_empty(device="cpu")
    model.tie_weights()
    generator = torch.Generator().manual_seed(seed)
    for name, parameter in model.named_parameters():
        parameter.requires_grad_(False)
        if parameter.ndim == 1:
            parameter.fill_(1.0)
        elif "embed" in name and not shape.tied:
            parameter.normal_(generator=generator)
        else:
            size = 3.0 if "lm_head" in name or "embed" in name else 1.0
            parameter.normal_(std=size * parameter.shape[1] ** -0.5, generator=generator)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(BUNDLED["bundled"]).save_pretrained(folder)
    return folder
