"""Models that the tests share: the bundled one, the reference checkpoint, and tiny random ones."""

import core  # noqa: F401 - sets how OpenMP waits, before torch is imported

# isort: split
from pathlib import Path

import pytest
import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    Gemma2Config,
    Gemma3TextConfig,
    GPT2Config,
    GPTJConfig,
    GPTNeoXConfig,
    LlamaConfig,
    MistralConfig,
    Phi3Config,
    Qwen2Config,
    Qwen3Config,
)

from core.heads.sweep import sweep_heads
from core.model.load import LoadedModel, load_model
from core.model.source import BUNDLED
from core.prompts.arithmetic import make_prompts
from tests.small_findings import findings, small_settings  # noqa: F401 - fixtures
from tests.tokenizers.small import TOKENIZERS, write_random
from tests.tokenizers.trained import TRAINED, trained

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
_GEMMA = _SMALL | {
    "intermediate_size": 48,
    "num_key_value_heads": 2,
    "head_dim": 16,
    "query_pre_attn_scalar": 16,
    "sliding_window": 3,
}
CONFIGS = {
    "llama": lambda: LlamaConfig(**_SMALL, intermediate_size=48),
    "grouped-query": lambda: LlamaConfig(**_SMALL, intermediate_size=48, num_key_value_heads=2),
    "wide heads": lambda: LlamaConfig(**_SMALL, intermediate_size=48, head_dim=16),
    "tied": lambda: LlamaConfig(**_SMALL, intermediate_size=48, tie_word_embeddings=True),
    "mistral": lambda: MistralConfig(**_SMALL, intermediate_size=48, num_key_value_heads=2, sliding_window=3),
    "qwen2": lambda: Qwen2Config(**_SMALL, intermediate_size=48, num_key_value_heads=2),
    "qwen3": lambda: Qwen3Config(**_SMALL, intermediate_size=48, num_key_value_heads=2, head_dim=16),
    "gpt2": lambda: GPT2Config(
        vocab_size=1100, n_embd=32, n_layer=3, n_head=4, n_positions=64, n_inner=48, bos_token_id=0, eos_token_id=1
    ),
    "phi3": lambda: Phi3Config(**_SMALL, intermediate_size=48, num_key_value_heads=2, sliding_window=3),
    "gemma2": lambda: Gemma2Config(**_GEMMA, final_logit_softcapping=2.0, attn_logit_softcapping=3.0),
    "gemma3": lambda: Gemma3TextConfig(
        **_GEMMA, layer_types=["sliding_attention", "full_attention", "sliding_attention"]
    ),
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
    AutoTokenizer.from_pretrained(BUNDLED["bundled"]).save_pretrained(folder)
    return folder


def pytest_collection_modifyitems(config, items):
    """Beside another test process a file's tests stay together; browser tests come first, one after the other."""
    if not hasattr(config, "workerinput"):
        return
    items.sort(key=lambda item: item.get_closest_marker("browser") is None)
    for item in items:
        name = "browser" if item.get_closest_marker("browser") else str(item.path)
        item.add_marker(pytest.mark.xdist_group(name))


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
def plain() -> LoadedModel:
    """The bundled model that nobody shaped: a blank before words and numbers, single digits, several a number."""
    return load_model("bundled/plain")


@pytest.fixture(scope="session", params=["bundled", "bundled/plain"])
def either(request, bundled, plain) -> LoadedModel:
    """Each bundled model in turn."""
    return {lm.name: lm for lm in (bundled, plain)}[request.param]


@pytest.fixture(scope="session")
def arithmetic_heads(bundled) -> list[tuple[int, int]]:
    """The bundled model's heads, those first without which one-digit sums lose the most probability."""
    prompts = [prompt.text for prompt in make_prompts(["+"], digits=[1], count=20)]
    swept = sweep_heads(bundled, prompts)
    lost = (swept.baseline[:, None, None] - swept.probability).mean(0)  # (layer, head)
    assert lost.max() > 0.3
    return [divmod(place, bundled.n_heads) for place in lost.flatten().argsort(descending=True).tolist()]


@pytest.fixture(scope="session")
def arithmetic_head(arithmetic_heads) -> tuple[int, int]:
    """The head without which one-digit sums lose the most probability."""
    return arithmetic_heads[0]


@pytest.fixture(scope="session")
def head_names(arithmetic_heads) -> list[str]:
    """The same as the pages write them: layer_head."""
    return [f"{layer}_{head}" for layer, head in arithmetic_heads]


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


@pytest.fixture(scope="session")
def random_on(tmp_path_factory):
    """Folders of random Llamas by the name of their tokenizer (tests.tokenizers), made when first asked for."""
    made: dict[str, Path] = {}

    def folder(name: str) -> Path:
        if name not in made:
            made[name] = write_random(name, tmp_path_factory.mktemp(name))
        return made[name]

    return folder


@pytest.fixture(scope="session", params=TOKENIZERS)
def on_tokenizer(request, random_on) -> LoadedModel:
    """A random Llama on each tokenizer in turn: those of published models, and two built in their way."""
    return load_model(random_on(request.param), precision="fp32")


@pytest.fixture(scope="session")
def trained_on():
    """Small models that know sums and differences of one digit (tests.tokenizers.trained), by their tokenizer."""
    loaded: dict[str, LoadedModel] = {}

    def model(name: str) -> LoadedModel:
        if name not in loaded:
            loaded[name] = load_model(trained(name), precision="fp32")
        return loaded[name]

    return model


@pytest.fixture(scope="session", params=TRAINED)
def answering(request, trained_on) -> LoadedModel:
    """A model that answers, on each tokenizer in turn."""
    return trained_on(request.param)


@pytest.fixture(scope="session", params=["mistral", "qwen2"])
def blank_model(request, trained_on) -> LoadedModel:
    """A model whose next token after "3 + 5 =" is the blank, then "8"."""
    return trained_on(request.param)
