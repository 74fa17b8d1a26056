"""Folders of adapters: what is read, and what is refused before anything is attached."""

import json

import pytest

from core.errors import UserError
from core.model.adapter_files import ABOUT, CONFIG, WEIGHTS, AdapterFolder
from core.model.load import load_model
from tests.core.model.test_adapters import made_by_peft


@pytest.fixture
def lm(checkpoints):
    return load_model(checkpoints("llama"), precision="fp32")


@pytest.fixture
def folder(lm, tmp_path):
    made_by_peft(lm, tmp_path)
    return tmp_path


def test_settings_are_pefts(folder):
    found = AdapterFolder.read(folder)
    assert found.settings == json.loads((folder / CONFIG).read_text())
    config = found.config()
    assert config.r == 4
    assert config.inference_mode


@pytest.mark.parametrize("content", ["{", "[1]", "\xff"])
def test_settings_that_are_none(folder, content):
    (folder / CONFIG).write_text(content, encoding="latin-1")
    with pytest.raises(UserError, match=CONFIG):
        AdapterFolder.read(folder)


@pytest.mark.parametrize("start", ["pissa", "olora", "corda", "loftq"])
def test_starts_that_rewrite_the_base(folder, start):
    told = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**told, "init_lora_weights": start}))
    with pytest.raises(UserError, match=start):
        AdapterFolder.read(folder)


def test_missing_weights_and_pickles(folder):
    (folder / WEIGHTS).rename(folder / "adapter_model.bin")
    with pytest.raises(UserError, match="pickle"):
        AdapterFolder.read(folder)
    (folder / "adapter_model.bin").unlink()
    with pytest.raises(UserError, match="has none"):
        AdapterFolder.read(folder)


@pytest.mark.parametrize("name", ["", "x" * 5000, "\0"])
def test_names_that_no_folder_has(name):
    with pytest.raises(UserError):
        AdapterFolder.read(name)


def test_the_digest_tells_settings_and_weights(folder):
    first = AdapterFolder.read(folder).digest()
    assert AdapterFolder.read(folder).digest() == first
    weights = (folder / WEIGHTS).read_bytes()
    (folder / WEIGHTS).write_bytes(weights[:-1] + bytes([weights[-1] ^ 1]))
    other = AdapterFolder.read(folder).digest()
    told = json.loads((folder / CONFIG).read_text())
    (folder / CONFIG).write_text(json.dumps({**told, "lora_alpha": 9}))
    assert len({first, other, AdapterFolder.read(folder).digest()}) == 3


def test_made_for_another_model(lm, folder, checkpoints):
    AdapterFolder.read(folder).check_made_for(lm)
    other = load_model(checkpoints("tied"), precision="fp32")
    with pytest.raises(UserError, match="made for"):
        AdapterFolder.read(folder).check_made_for(other)
    (folder / ABOUT).write_text(json.dumps({"fingerprint": lm.fingerprint}))
    AdapterFolder.read(folder).check_made_for(lm)
    with pytest.raises(UserError, match="trained on other weights"):
        AdapterFolder.read(folder).check_made_for(other)
