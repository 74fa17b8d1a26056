"""What loads, in which precision, and what is refused with which words."""

import gc
import json
import shutil
import weakref

import pytest
import torch

from core.errors import UserError
from core.model import source
from core.model.load import load_model
from core.model.resident import ResidentModel
from tests.conftest import CONFIGS


def relative_error(ours, exact) -> float:
    return float((ours - exact).norm() / exact.norm())


@pytest.mark.parametrize("kind", list(CONFIGS))
def test_dimensions(checkpoints, kind):
    lm = load_model(checkpoints(kind), precision="fp32")
    config = CONFIGS[kind]()
    assert (lm.n_layers, lm.n_heads, lm.d_model, lm.n_vocab) == (3, 4, 32, 1100)
    assert lm.d_head == (getattr(config, "head_dim", None) or 8)
    assert lm.n_neurons == (128 if kind == "gptj" else 48)
    assert lm.logits(lm.encode("3+5=")).shape == (5, 1100)


@pytest.mark.parametrize(("precision", "dtype"), [("bf16", torch.bfloat16), ("fp16", torch.float16), ("auto", None)])
def test_precisions(checkpoints, precision, dtype):
    lm = load_model(checkpoints("llama"), precision)
    exact = load_model(checkpoints("llama"), "fp32")
    assert lm.precision == (precision if dtype is not None else "fp16" if lm.device.type == "cuda" else "fp32")
    if dtype is not None:
        assert lm.dtype == dtype
    ids = lm.encode("3+5=")
    assert lm.logits(ids).dtype == torch.float32
    assert relative_error(lm.logits(ids), exact.logits(ids)) < 0.05


def test_int8(checkpoints):
    lm = load_model(checkpoints("llama"), "int8")
    assert type(lm.modules.neuron_output(0)).__name__ == "Linear8bitLt"
    exact = load_model(checkpoints("llama"), "fp32")
    ids = lm.encode("3+5=")
    assert relative_error(lm.logits(ids), exact.logits(ids)) < 0.1


def test_bundled_is_a_plain_llama(bundled):
    assert type(bundled.model).__name__ == "LlamaForCausalLM"
    assert bundled.encode("3+5=") == bundled.encode("3 + 5 =")
    tokens = bundled.tokenizer.convert_ids_to_tokens(bundled.encode("3+5="))
    assert tokens == ["<s>", "3", "+", "5", "="]
    assert sum(f.stat().st_size for f in source.BUNDLED["bundled"].iterdir()) <= 16 * 2**20


def copy_of(checkpoints, tmp_path, kind="llama"):
    return shutil.copytree(checkpoints(kind), tmp_path / "model")


def test_no_model(tmp_path):
    (tmp_path / "empty").mkdir()
    for name, words in [
        (tmp_path / "nowhere", "does not exist"),
        (tmp_path / "empty", "no config.json"),
        ("", "No model"),
    ]:
        with pytest.raises(UserError, match=words):
            load_model(str(name))


def test_pickled_weights_are_refused(checkpoints, tmp_path):
    folder = copy_of(checkpoints, tmp_path)
    (folder / "model.safetensors").unlink()
    with pytest.raises(UserError, match="no weights"):
        load_model(folder)
    torch.save({}, folder / "pytorch_model.bin")
    with pytest.raises(UserError, match="pickle"):
        load_model(folder)


def test_unsupported_or_foreign_configuration(checkpoints, tmp_path):
    folder = copy_of(checkpoints, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "model_type": "t5"}))
    with pytest.raises(UserError, match="not supported.*docs/add-an-architecture.md"):
        load_model(folder)
    (folder / "config.json").write_text("[1, 2")
    with pytest.raises(UserError, match="not JSON"):
        load_model(folder)


def test_weights_that_do_not_fit(checkpoints, tmp_path):
    folder = copy_of(checkpoints, tmp_path)
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "num_hidden_layers": 5}))
    with pytest.raises(UserError, match="do not fit"):
        load_model(folder)
    (folder / "config.json").write_text(json.dumps(config))
    (folder / "model.safetensors").write_bytes(b"\x00" * 50)
    with pytest.raises(UserError):
        load_model(folder)


def test_missing_tokenizer(checkpoints, tmp_path):
    folder = copy_of(checkpoints, tmp_path)
    for file in folder.glob("*token*"):
        file.unlink()
    with pytest.raises(UserError, match="tokenizer"):
        load_model(folder)


def test_too_little_memory(checkpoints, monkeypatch):
    monkeypatch.setattr(source, "free_memory", lambda device: 10_000)
    with pytest.raises(UserError, match="needs about .* free"):
        load_model(checkpoints("llama"))


def test_memory_is_what_the_weights_take(checkpoints):
    where = source.locate(str(checkpoints("llama")))
    lm = load_model(checkpoints("llama"), "fp32")
    assert where.memory("fp32") == sum(p.numel() * 4 for p in lm.model.parameters())
    assert where.memory("fp16") * 2 == where.memory("fp32")
    assert where.memory("int8") < where.memory("fp16")


def test_bad_precision():
    with pytest.raises(UserError, match="Precision"):
        load_model("bundled", "fp12")  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("", "empty"),
        ("  \n", "empty"),
        ("3 + zzyzx =", "zzyzx"),
        ("3 " * 300, "at most"),
    ],
)
def test_bad_prompts(bundled, text, words):
    with pytest.raises(UserError, match=words):
        bundled.encode(text)


def test_bad_ids(bundled):
    for ids in [], [-1], [bundled.n_vocab], [0] * 1000:
        with pytest.raises(UserError):
            bundled.logits(ids)


def test_fingerprint_follows_the_weights(checkpoints, tmp_path):
    folder = copy_of(checkpoints, tmp_path)
    same = source.locate(str(folder)).fingerprint()
    assert same == source.locate(str(checkpoints("llama"))).fingerprint()
    blob = bytearray((folder / "model.safetensors").read_bytes())
    blob[-1] ^= 1
    (folder / "model.safetensors").write_bytes(blob)
    assert source.locate(str(folder)).fingerprint() != same


def test_a_missing_shard_and_a_quantised_checkpoint(checkpoints, tmp_path):
    folder = copy_of(checkpoints, tmp_path)
    index = {"weight_map": {"a": "model-00001-of-00002.safetensors", "b": "model-00002-of-00002.safetensors"}}
    (folder / "model.safetensors.index.json").write_text(json.dumps(index))
    (folder / "model.safetensors").rename(folder / "model-00001-of-00002.safetensors")
    with pytest.raises(UserError, match="model-00002-of-00002.safetensors is missing"):
        load_model(folder)
    folder = shutil.copytree(checkpoints("llama"), tmp_path / "quantised")
    config = json.loads((folder / "config.json").read_text())
    (folder / "config.json").write_text(json.dumps({**config, "quantization_config": {"quant_method": "gptq"}}))
    with pytest.raises(UserError, match="quantised"):
        load_model(folder)


def test_one_model_resident_and_the_old_one_comes_back(checkpoints, tmp_path):
    home = ResidentModel(str(checkpoints("llama")), "fp32")
    first = home.model()
    assert home.model() is first
    gone, name = weakref.ref(first), first.fingerprint
    del first
    home.change(str(checkpoints("tied")), "fp32")
    gc.collect()
    assert gone() is None, "the old model must be freed"
    second = home.model().fingerprint
    assert second != name
    broken = copy_of(checkpoints, tmp_path)
    for file in broken.glob("*token*"):
        file.unlink()
    for bad in str(tmp_path / "nowhere"), str(broken):
        with pytest.raises(UserError):
            home.change(bad, "fp32")
        assert home.model().fingerprint == second


def test_tokens_are_shown_as_text(bundled):
    ids = bundled.encode("fünf plus VIII")
    assert [bundled.token(i) for i in ids] == ["<s>", "fünf", "plus", "VIII"]


def test_a_bundled_model_keeps_its_first_name(bundled, plain):
    assert (bundled.name, plain.name) == ("bundled", "bundled/plain")
    again = load_model("bundled/shaped")
    assert (again.name, again.fingerprint) == (bundled.name, bundled.fingerprint)


def test_the_bundled_model_is_not_in_an_installed_package(monkeypatch, tmp_path):
    monkeypatch.setattr(source, "BUNDLED", {"bundled": tmp_path / "bundled"})
    with pytest.raises(UserError, match="bundled models are in Abacus's repository"):
        load_model("bundled")
