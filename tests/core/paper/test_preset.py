"""What a preset is, and that its operations are those of the prompts."""

from dataclasses import FrozenInstanceError

import pytest

from core.paper.models import LLAMA
from core.paper.preset import OPERATIONS, Preset
from core.prompts import arithmetic


def test_the_operations_are_those_of_the_prompts():
    assert arithmetic.OPERATIONS == OPERATIONS


def test_a_preset_without_more_is_about_llama_and_no_head():
    preset = Preset("arithmetic_heads", "Table 1", {"sweep": {"count": 25}})
    assert (preset.model, preset.heads, preset.tables, preset.note) == (LLAMA, (), (), "")
    with pytest.raises(FrozenInstanceError):
        preset.name = "Table 2"
