"""The table of architectures: its rows name modules that exist, and what is not in it is refused by name."""

from pathlib import Path

import pytest
import torch

from core.errors import UserError
from core.model.architectures import ARCHITECTURES, HOW_TO_ADD, architecture_of
from tests import plain
from tests.conftest import CONFIGS
from tests.some import some


def test_every_type_is_tested_and_named_in_the_readme():
    tested = {make().model_type for make in CONFIGS.values()}
    assert tested == set(ARCHITECTURES)
    readme = (Path(__file__).parents[3] / "README.md").read_text(encoding="utf-8").lower().replace("-", "")
    for name in some(ARCHITECTURES):
        assert name.replace("_text", "").replace("_", "")[:5] in readme


def test_an_unknown_type_is_told_how_to_be_added():
    with pytest.raises(UserError, match=f"'mamba'.*{HOW_TO_ADD}"):
        architecture_of("mamba")
    assert (Path(__file__).parents[3] / HOW_TO_ADD).is_file()


def test_keys_and_values_are_those_of_the_modules(any_model):
    """A neuron's column and rows are what its FFN does with it: without it, the output lacks its subvalue."""
    x, modules = torch.randn(any_model.d_model), any_model.modules
    ffn, values = modules.ffn(1), modules.neuron_output(1)
    kept = []
    handle = values.register_forward_pre_hook(lambda _, args: kept.append(args[0]))
    whole = ffn(x[None])[0]
    handle.remove()
    with plain.without_neurons(any_model.model, [(1, 7)]):
        without = ffn(x[None])[0]
    assert torch.allclose(whole - without, kept[0][0, 7] * plain.matrix(values)[:, 7], atol=1e-4)


def test_learned_positions_are_part_of_the_first_stream(any_model):
    ids = any_model.tensor([5, 9, 5])
    seen = []
    handle = any_model.modules.layers[0].register_forward_pre_hook(lambda _, args: seen.append(args[0]))
    any_model.run(ids)
    handle.remove()
    assert torch.equal(any_model.modules.embed(ids), seen[0])
