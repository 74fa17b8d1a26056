"""What `auto` means for a checkpoint on a device, and that a precision which overflows is refused."""

import gc
import json
import shutil
import weakref

import pytest
import torch
from safetensors.torch import load_file, save_file

from core.errors import UserError
from core.model import load
from core.model.load import load_model
from core.model.precision import PRECISIONS, choose_precision, stored_precision
from core.model.resident import ResidentModel
from core.model.source import locate, read_folder

GPU, CPU = torch.device("cuda"), torch.device("cpu")


def with_bf16(monkeypatch, has: bool) -> None:
    monkeypatch.setattr(torch.cuda, "is_bf16_supported", lambda including_emulation=True: has or including_emulation)


@pytest.mark.parametrize(
    ("stored", "has_bf16", "wanted"),
    [
        ("bf16", True, "bf16"),
        ("bf16", False, "fp16"),  # bf16 that is only emulated does not count
        ("fp16", True, "fp16"),
        ("fp32", True, "fp16"),
        (None, True, "fp16"),
    ],
)
def test_auto_on_a_gpu_follows_the_checkpoint(monkeypatch, stored, has_bf16, wanted):
    with_bf16(monkeypatch, has_bf16)
    assert choose_precision("auto", GPU, stored) == wanted
    assert choose_precision("auto", CPU, stored) == "fp32"


@pytest.mark.parametrize("precision", PRECISIONS[1:])
def test_what_is_asked_for_is_taken(monkeypatch, precision):
    with_bf16(monkeypatch, False)
    assert choose_precision(precision, GPU, "bf16") == precision
    assert choose_precision(precision, CPU, "bf16") == precision


@pytest.mark.parametrize(
    ("config", "stored"),
    [
        ({"dtype": "bfloat16"}, "bf16"),
        ({"torch_dtype": "float16"}, "fp16"),
        ({"torch_dtype": "float32"}, "fp32"),
        ({"dtype": "bfloat16", "torch_dtype": "float32"}, "bf16"),
        ({}, "bf16"),
        ({"dtype": None}, "bf16"),
        ({"torch_dtype": "auto"}, "bf16"),
        ({"dtype": {"default": "float16"}}, "bf16"),
    ],
)
def test_a_checkpoints_own_precision(tmp_path, config, stored):
    """As the configuration says; where it says nothing, as most weights are stored."""
    (tmp_path / "config.json").write_text(json.dumps({"model_type": "llama", **config}))
    norm, mask = torch.zeros(4), torch.zeros(1, 1, 9, 9, dtype=torch.bool)
    most = torch.zeros(4, 4, dtype=torch.bfloat16)
    save_file({"a.mask": mask, "b.norm": norm, "c": most}, tmp_path / "x.safetensors")
    assert read_folder("x", tmp_path).stored == stored


def test_a_checkpoint_without_floats_has_none(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "llama"}')
    save_file({"codes": torch.zeros(4, dtype=torch.int8)}, tmp_path / "x.safetensors")
    assert read_folder("x", tmp_path).stored is None
    assert stored_precision("float8_e4m3fn") is None


def test_what_save_pretrained_writes_is_read(tmp_path, checkpoints):
    for dtype, name in [(torch.bfloat16, "bf16"), (torch.float16, "fp16"), (torch.float32, "fp32")]:
        load_model(checkpoints("llama"), "fp32").model.to(dtype).save_pretrained(tmp_path / name)
        assert locate(str(tmp_path / name)).stored == name
        config = json.loads((tmp_path / name / "config.json").read_text())
        (tmp_path / name / "config.json").write_text(json.dumps({**config, "dtype": None}))
        assert locate(str(tmp_path / name)).stored == name


@pytest.fixture
def overflowing(checkpoints, tmp_path):
    """A model whose neurons leave the range of fp16, as some of Qwen2's do, and stay in that of bf16."""
    folder = shutil.copytree(checkpoints("llama"), tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    chosen = [name for name in weights if name.endswith("up_proj.weight")]
    assert chosen
    for name in chosen:
        weights[name] *= 3e4 / weights[name].abs().max()  # a weight itself fits into fp16
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    return folder


def test_a_precision_that_overflows_is_refused(overflowing):
    for precision in ("fp32", "bf16"):
        lm = load_model(overflowing, precision)
        assert lm.logits([3, 5]).isfinite().all()
        assert lm.precision == precision
    for precision in ("fp16", "int8"):
        with pytest.raises(UserError, match=f"As {precision}, .* infinite or NaN.* Load it as bf16 or fp32"):
            load_model(overflowing, precision)


def test_the_weights_of_a_refused_model_are_freed(overflowing, monkeypatch):
    made = []
    monkeypatch.setattr(load, "_is_finite", lambda lm: made.append(weakref.ref(lm.model)))
    with pytest.raises(UserError) as refused:
        load_model(overflowing, "fp16")
    (model,) = made
    assert model() is None, "the error must not hold the model"
    assert refused.value.__traceback__ is not None


def test_damaged_weights_are_told_where_no_precision_helps(checkpoints, tmp_path):
    folder = shutil.copytree(checkpoints("llama"), tmp_path / "model")
    weights = load_file(folder / "model.safetensors")
    weights["model.embed_tokens.weight"][:] = torch.nan
    save_file(weights, folder / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(UserError, match="As bf16, .* Load it as fp32; if that is no better, its files are damaged"):
        load_model(folder, "bf16")


def test_the_resident_model_stays_when_another_one_overflows(overflowing, checkpoints):
    home = ResidentModel(str(checkpoints("llama")), "fp32")
    before = home.model().fingerprint
    gc.collect()
    with pytest.raises(UserError, match="Load it as bf16 or fp32"):
        home.change(str(overflowing), "fp16")
    assert home.model().fingerprint == before
    assert home.model().precision == "fp32"
