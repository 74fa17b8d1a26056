"""Which of the bundled models a loaded one is: decided by what it is, not by what it is called."""

import shutil

import pytest

from core.edits import export_edited
from core.errors import UserError
from core.hooks import ScaleHead
from core.lora import attach
from core.model import load_model, provenance
from core.model.provenance import FOLDERS, card
from core.model.provenance import provenance as made_how
from core.model.random_weights import random_weights
from core.model.source import BUNDLED


def test_the_bundled_models(bundled):
    assert made_how(bundled) == "shaped"
    assert made_how(load_model("bundled/plain")) == "plain"
    assert set(FOLDERS.values()) == set(BUNDLED.values())


def test_the_name_does_not_count(tmp_path, checkpoints):
    copy = tmp_path / "mine"
    shutil.copytree(FOLDERS["shaped"], copy, ignore=shutil.ignore_patterns("lora"))
    assert made_how(load_model(copy)) == "shaped"
    called = tmp_path / "bundled" / "shaped"
    shutil.copytree(checkpoints("llama"), called)
    assert made_how(load_model(called)) is None


def test_nor_does_the_precision():
    assert made_how(load_model("bundled", "bf16")) == "shaped"


def test_nothing_is_known_of_what_was_made_of_them(bundled, tmp_path):
    export_edited(bundled, [ScaleHead(3, 5, 0.0)], tmp_path / "edited")
    assert made_how(load_model(tmp_path / "edited")) is None
    assert made_how(attach(bundled, FOLDERS["shaped"] / "lora" / "layer_0")) is None
    with random_weights(bundled) as drawn:
        assert made_how(drawn) is None


def test_a_folder_without_a_whole_model_is_not_the_loaded_one(bundled, tmp_path, monkeypatch):
    (tmp_path / "damaged").mkdir()
    (tmp_path / "damaged" / "config.json").write_text("{")
    (tmp_path / "empty").mkdir()
    for name in ("damaged", "empty", "missing"):
        monkeypatch.setattr(provenance, "FOLDERS", {"shaped": tmp_path / name, "plain": FOLDERS["shaped"]})
        assert made_how(bundled) == "plain"


def test_new_files_are_read_anew(bundled, tmp_path, monkeypatch):
    folder = tmp_path / "model"
    shutil.copytree(FOLDERS["shaped"], folder, ignore=shutil.ignore_patterns("lora"))
    monkeypatch.setattr(provenance, "FOLDERS", {"plain": folder})
    assert made_how(bundled) == "plain"
    config = folder / "config.json"
    config.write_text(config.read_text().replace('"rms_norm_eps": ', '"rms_norm_eps": 0'))
    config.write_text(config.read_text().replace("{", '{"other": 1, ', 1))
    config.write_text(config.read_text().replace('"rms_norm_eps": 0', '"rms_norm_eps": '))
    assert made_how(bundled) is None


@pytest.mark.parametrize("made", ["shaped", "plain"])
def test_every_bundled_model_has_a_card(made):
    text = card(made)
    assert text.startswith("# ")
    assert "license:" not in text.split("\n")[0]
    assert len(text) > 200


def test_a_missing_card_is_told(tmp_path, monkeypatch):
    monkeypatch.setattr(provenance, "FOLDERS", {"shaped": tmp_path})
    with pytest.raises(UserError, match=r"README\.md is missing"):
        card("shaped")
