"""Masks that are given to a model, against those that it makes itself."""

import copy
from types import SimpleNamespace

import pytest
import torch

from core.errors import UserError
from core.forward.masks import attention_mask
from core.forward.prefix_tree import build_trees
from core.forward.replay import causal_inputs
from core.model.architectures import windows_of
from tests.some import some

IDS = [5, 9, 4, 30, 7, 61, 12, 8]  # longer than the windows of the tests' models
OTHER = [5, 9, 4, 31, 7, 61, 12, 9]


@torch.no_grad()
def test_they_are_the_models_own(any_model):
    ids = any_model.tensor(IDS)
    given = any_model.run(ids, **causal_inputs(any_model, len(IDS)))
    assert torch.allclose(given, any_model.run(ids), atol=1e-5)


@torch.no_grad()
def test_windows_are_counted_along_each_sequence_of_a_tree(any_model):
    (tree,) = build_trees([IDS, OTHER], 100)
    inputs = tree.inputs(any_model)
    logits = any_model.run(inputs.pop("input_ids"), **inputs)[0]
    for member, path in some(zip(tree.members, tree.paths, strict=True)):
        assert torch.allclose(logits[path], any_model.logits([IDS, OTHER][member]), atol=1e-3, rtol=1e-4)


@torch.no_grad()
def test_a_window_is_needed_where_a_model_has_one(any_model):
    position = torch.arange(len(IDS))
    visible = position[:, None] >= position
    everywhere = copy.copy(any_model)
    everywhere.windows = {"all": None}
    whole = attention_mask(everywhere, visible, position)
    ids = any_model.tensor(IDS)
    same = torch.allclose(any_model.run(ids, attention_mask=whole), any_model.run(ids), atol=1e-3)
    assert same == (not any(any_model.windows.values()))


def test_kinds_of_layers():
    def config(**settings):
        return SimpleNamespace(**settings)

    both = ["sliding_attention", "full_attention", "sliding_attention"]
    assert windows_of(config()) == {"all": None}
    assert windows_of(config(sliding_window=7)) == {"all": 7}
    assert windows_of(config(sliding_window=7, layer_types=both)) == {"full_attention": None, "sliding_attention": 7}
    assert windows_of(config(sliding_window=7, layer_types=["full_attention"])) == {"full_attention": None}
    with pytest.raises(UserError, match="linear_attention"):
        windows_of(config(layer_types=["full_attention", "linear_attention"]))
    with pytest.raises(UserError, match="both directions"):
        windows_of(config(use_bidirectional_attention=True))
