"""Folders of tokenizers, and of small random models that use them.

GPT-J and Qwen2 have more rows in their embedding than tokens, and so have the models here.
"""

from pathlib import Path

import torch
from transformers import AutoTokenizer, LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerBase

from tests.tokenizers import built, real
from tests.tokenizers.kept import kept

REAL = {"mistral": real.mistral, "tekken": real.tekken, "llama3": real.llama3}
BUILT = {"gpt2": built.gpt2, "qwen2": built.qwen2}
TOKENIZERS = [*REAL, *BUILT]
#: Tokenizers that write a number's blank as a token of its own.
BLANK_FIRST = ["mistral", "tekken", "llama3", "qwen2"]
#: Rows of the embedding beyond the last token.
SPARE = {"gpt2": 16, "qwen2": 9}


def tokenizer(name: str) -> PreTrainedTokenizerBase:
    """One of `TOKENIZERS`, as it is loaded from a folder."""
    if name in BUILT:
        return BUILT[name]()
    return AutoTokenizer.from_pretrained(kept(name, lambda folder: REAL[name]().save_pretrained(folder)))


def config(tokenizer: PreTrainedTokenizerBase, spare: int, n_layers: int, d_model: int = 64) -> LlamaConfig:
    """A small Llama for a tokenizer."""
    return LlamaConfig(
        vocab_size=len(tokenizer) + spare,
        hidden_size=d_model,
        num_hidden_layers=n_layers,
        num_attention_heads=4,
        intermediate_size=2 * d_model,
        max_position_embeddings=64,
        bos_token_id=tokenizer.bos_token_id,
        eos_token_id=tokenizer.eos_token_id,
    )


def write_random(name: str, folder: Path, seed: int = 0) -> Path:
    """A random Llama of two layers on one of `TOKENIZERS`."""
    used = tokenizer(name)
    torch.manual_seed(seed)
    model = LlamaForCausalLM(config(used, SPARE.get(name, 0), n_layers=2))
    for parameter in model.parameters():  # weights large enough that every head matters
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    used.save_pretrained(folder)
    return folder
