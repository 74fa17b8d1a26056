"""Models that the tests share: the bundled one, the reference checkpoint, and tiny random ones."""

import core  # noqa: F401 - sets how OpenMP waits, before torch is imported

# isort: split
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPTJConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Qwen2Config,
)

from core.model.load import LoadedModel, load_model
from core.model.source import BUNDLED

REFERENCE = Path(__file__).parent / "reference"
_SMALL = {
    "vocab_size": 1100,
    "hidden_size": 32,
    "num_hidden_layers": 3,
    "num_attention_heads": 4,
    "max_position_embeddings": 64,
    "bos_token_id": 0,
    "eos_token_id": 1,
    "pad_token_id": 1,
}
CONFIGS = {
    "llama": lambda: LlamaConfig(**_SMALL, intermediate_size=48),
    "grouped-query": lambda: LlamaConfig(**_SMALL, intermediate_size=48, num_key_value_heads=2),
    "wide heads": lambda: LlamaConfig(**_SMALL, intermediate_size=48, head_dim=16),
    "tied": lambda: LlamaConfig(**_SMALL, intermediate_size=48, tie_word_embeddings=True),
    "mistral": lambda: MistralConfig(**_SMALL, intermediate_size=48, num_key_value_heads=2),
    "qwen2": lambda: Qwen2Config(**_SMALL, intermediate_size=48, num_key_value_heads=2),
    "gptj": lambda: GPTJConfig(
        vocab_size=1100, n_embd=32, n_layer=3, n_head=4, n_positions=64, rotary_dim=4, bos_token_id=0, eos_token_id=1
    ),
    "gpt_neox": lambda: GPTNeoXConfig(**_SMALL, intermediate_size=48),
    "gpt_neox sequential": lambda: GPTNeoXConfig(**_SMALL, intermediate_size=48, use_parallel_residual=False),
}


def write_checkpoint(kind: str, folder: Path, seed: int = 0) -> Path:
    """A random checkpoint of one architecture, with the bundled model's tokenizer."""
    torch.manual_seed(seed)
    model = AutoModelForCausalLM.from_config(CONFIGS[kind]())
    for parameter in model.parameters():  # weights large enough that every head matters
        torch.nn.init.normal_(parameter, std=0.3)
    model.save_pretrained(folder)
    AutoTokenizer.from_pretrained(BUNDLED).save_pretrained(folder)
    return folder


@pytest.fixture(scope="session", autouse=True)
def cache_of_the_tests(tmp_path_factory):
    """What is kept on disk about models stays out of the person's own folder."""
    patch = pytest.MonkeyPatch()
    patch.setenv("ABACUS_CACHE", str(tmp_path_factory.mktemp("cache")))
    yield
    patch.undo()


@pytest.fixture(scope="session")
def bundled() -> LoadedModel:
    return load_model("bundled")


@pytest.fixture(scope="session")
def reference() -> LoadedModel:
    return load_model(REFERENCE / "llama-a", precision="fp32")


@pytest.fixture(scope="session")
def checkpoints(tmp_path_factory):
    """Folders of random checkpoints, made when first asked for."""
    made: dict[str, Path] = {}

    def folder(kind: str) -> Path:
        if kind not in made:
            made[kind] = write_checkpoint(kind, tmp_path_factory.mktemp(kind.replace(" ", "-")))
        return made[kind]

    return folder


@pytest.fixture(scope="session", params=list(CONFIGS))
def any_model(request, checkpoints) -> LoadedModel:
    """Each architecture in turn."""
    return load_model(checkpoints(request.param), precision="fp32")
