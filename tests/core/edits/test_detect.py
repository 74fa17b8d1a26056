"""Planted edits are found, and none in a copy that was not edited."""

import random

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoModelForCausalLM

from core.edits.detect import in_words, was_edited
from core.edits.export import export_edited
from core.errors import UserError
from core.hooks import ScaleHead, ScaleNeuron
from core.model.load import load_model
from core.model.source import BUNDLED
from tests.some import some

EDITS = (
    ScaleHead(1, 2, -1.5),
    ScaleHead(2, 0, 0.0),
    ScaleNeuron(0, 3, 2.0),
    ScaleNeuron(2, 7, 0.0),
    ScaleNeuron(2, 9, 0.3),
)


def places(edits):
    return {(type(e), e.layer, getattr(e, "head", None), getattr(e, "neuron", None)) for e in edits}


def test_finds_planted_edits(any_model, tmp_path):
    found = was_edited(any_model, export_edited(any_model, EDITS, tmp_path / "edited"))
    assert found.edits == EDITS
    assert not found.others
    assert not found.settings
    assert found.to_frame()["what"].tolist() == ["sign flipped", "zeroed", "stronger", "zeroed", "weaker"]
    assert in_words(found) == "2 heads and 3 neurons were zeroed or scaled."


def test_finds_nothing_in_a_copy(any_model, tmp_path):
    any_model.model.save_pretrained(tmp_path / "copy")
    for copy in (any_model.name, tmp_path / "copy", export_edited(any_model, [ScaleHead(0, 0, 1.0)], tmp_path / "one")):
        found = was_edited(any_model, copy)
        assert not found.is_edited
        assert found.edits == ()
        assert "No difference" in in_words(found)


@pytest.mark.parametrize("seed", range(6))
def test_finds_random_edits_of_the_bundled_model(bundled, tmp_path, seed):
    rng = random.Random(seed)
    edits = [ScaleNeuron(la, n, rng.uniform(-3, 3)) for la in range(8) for n in rng.sample(range(512), 3)]
    edits += [ScaleHead(la, rng.randrange(8), rng.choice([0.0, -1.0, 0.5])) for la in range(8)]
    found = was_edited("bundled", export_edited(bundled, edits, tmp_path / "edited"))
    assert places(found.edits) == places(edits)
    assert not found.others
    wanted = {(type(e), e.layer, getattr(e, "head", getattr(e, "neuron", None))): e.factor for e in edits}
    for e in some(found.edits):
        assert e.factor == pytest.approx(
            wanted[type(e), e.layer, getattr(e, "head", getattr(e, "neuron", None))], rel=1e-3
        )


@pytest.mark.parametrize("dtype", [torch.float16, torch.bfloat16])
def test_rounding_to_16_bits_is_no_edit(bundled, tmp_path, dtype):
    AutoModelForCausalLM.from_pretrained(BUNDLED["bundled"], dtype=dtype).save_pretrained(tmp_path / "rounded")
    assert not was_edited("bundled", tmp_path / "rounded").is_edited
    edited = export_edited(bundled, EDITS, tmp_path / "edited")
    AutoModelForCausalLM.from_pretrained(edited, dtype=dtype).save_pretrained(tmp_path / "both")
    found = was_edited("bundled", tmp_path / "both")
    assert places(found.edits) == places(EDITS)
    assert not found.others
    for one, planted in zip(found.edits, EDITS, strict=True):
        assert one.factor == pytest.approx(planted.factor, rel=0.01)


def test_an_8_bit_model_by_its_files(checkpoints, tmp_path):
    lm = load_model(checkpoints("llama"), precision="int8")
    folder = export_edited(lm, EDITS, tmp_path / "edited")
    assert places(was_edited(lm, folder).edits) == places(EDITS)


def test_other_changes_are_named_and_do_not_hide_edits(bundled, tmp_path):
    folder = export_edited(bundled, EDITS, tmp_path / "edited")
    weights = load_file(folder / "model.safetensors")
    weights["model.layers.2.mlp.down_proj.weight"][:, 20] += 0.05  # one neuron, not by a factor
    weights["model.layers.4.mlp.up_proj.weight"][3] *= 1.5
    weights["extra"] = torch.ones(3)
    save_file(weights, folder / "model.safetensors", {"format": "pt"})
    found = was_edited("bundled", folder)
    assert found.edits == EDITS
    assert [(o.tensor, o.what) for o in found.others] == [
        ("extra", "added"),
        ("model.layers.2.mlp.down_proj.weight", "1 neuron changed, not by a factor"),
        ("model.layers.4.mlp.up_proj.weight", "changed"),
    ] or [o.tensor.split(".", 1)[-1] for o in found.others][-2:] == [
        "layers.2.mlp.down_proj.weight",
        "layers.4.mlp.up_proj.weight",
    ]
    assert "3 tensors changed otherwise" in in_words(found)


def test_another_model_is_not_called_edited(bundled, checkpoints):
    with pytest.raises(UserError, match="different types"):
        was_edited("bundled", checkpoints("gptj"))
    with pytest.raises(UserError, match="shape"):
        was_edited("bundled", checkpoints("llama"))
    with pytest.raises(UserError, match="does not exist"):
        was_edited("bundled", "/no/such/folder")


def test_another_seed_is_otherwise_changed(checkpoints, tmp_path):
    from tests.conftest import write_checkpoint

    found = was_edited(checkpoints("llama"), write_checkpoint("llama", tmp_path / "other", seed=1))
    assert found.edits == ()
    assert len(found.others) > 10


def test_configuration(bundled, tmp_path):
    folder = export_edited(bundled, [ScaleHead(0, 0, 1.0)], tmp_path / "edited")
    text = (folder / "config.json").read_text()
    assert '"rope_theta": 10000.0' in text
    (folder / "config.json").write_text(text.replace('"rope_theta": 10000.0', '"rope_theta": 500.0'))
    found = was_edited("bundled", folder)
    assert found.settings == ("rope_parameters",)
    assert found.is_edited


def test_files_that_changed_after_loading(checkpoints, monkeypatch):
    lm = load_model(checkpoints("llama"), precision="fp32")
    monkeypatch.setattr(lm, "fingerprint", "0" * 16)
    with pytest.raises(UserError, match="have changed"):
        was_edited(lm, checkpoints("llama"))
