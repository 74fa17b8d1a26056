"""Tensors read from files one at a time, against those of the loaded model."""

import pytest
import torch
from transformers import AutoModelForCausalLM

from core.errors import UserError
from core.model.architectures import architecture_of
from core.model.source import locate
from core.model.stored_tensors import StoredTensors
from tests.conftest import CONFIGS, REFERENCE
from tests.some import some


def opened(folder):
    source = locate(str(folder))
    return StoredTensors(source, architecture_of(source.config["model_type"]))


@pytest.mark.parametrize("kind", CONFIGS)
def test_every_weight_has_the_name_and_value_of_the_loaded_model(checkpoints, kind):
    loaded = AutoModelForCausalLM.from_pretrained(checkpoints(kind))
    weights = dict(loaded.named_parameters())  # a tied matrix is listed once
    with opened(checkpoints(kind)) as stored:
        assert stored.names == set(weights)
        for name, weight in some(weights.items()):
            assert torch.equal(stored.tensor(name), weight)


@pytest.mark.parametrize("kind", ["llama", "gptj", "gpt_neox"])
def test_a_file_that_leaves_out_the_first_part_of_names(checkpoints, tmp_path, kind):
    whole = AutoModelForCausalLM.from_pretrained(checkpoints(kind))
    whole.base_model.save_pretrained(tmp_path)
    with opened(tmp_path) as stored:
        assert stored.names == {name for name, _ in whole.named_parameters() if not name.startswith("lm_head")}


def test_several_files(reference):
    with opened(REFERENCE / "llama-a") as stored:
        assert stored.names == {name for name, _ in reference.model.named_parameters()}


def test_a_damaged_file_is_told_and_leaves_nothing_open(checkpoints, tmp_path):
    for file in some(checkpoints("llama").iterdir()):
        (tmp_path / file.name).write_bytes(file.read_bytes())
    stored = opened(tmp_path)
    (tmp_path / "model.safetensors").write_bytes(b"not weights")  # after a first look at it
    with pytest.raises(UserError, match="cannot be read"), stored:
        pass
    assert stored.names == set()
