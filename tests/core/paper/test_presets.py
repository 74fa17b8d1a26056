"""Presets: the settings that the papers' tables were measured with."""

import pytest

from core.errors import UserError
from core.paper.models import DIMENSIONS
from core.paper.presets import PRESETS, preset, presets_of
from core.paper.tables import table
from tests.some import some

PAGES = ("arithmetic_heads", "logic_chain", "causal_mediation", "lora_comparison", "pruning", "gender_bias")


def test_every_page_has_presets_with_names_of_their_own():
    for page in PAGES:
        names = [one.name for one in some(presets_of(page))]
        assert len(set(names)) == len(names)
    assert {one.page for one in PRESETS} == set(PAGES)


def test_they_are_about_tables_of_their_model():
    for one in some(one for one in PRESETS if one.tables):
        assert {table(number)["model"] for number in one.tables} == {one.model}
    wanted = set(range(1, 28)) - {14, 22, 23}  # the prompts and words themselves
    assert wanted == {number for one in PRESETS for number in one.tables}


def test_their_heads_are_in_their_model():
    for one in some(one for one in PRESETS if one.heads):
        dimensions = DIMENSIONS[one.model]
        assert all(layer < dimensions.n_layers and head < dimensions.n_heads for layer, head in some(one.heads))


def test_an_unknown_preset_is_refused():
    with pytest.raises(UserError, match="Table 1"):
        preset("arithmetic_heads", "Table 99")
