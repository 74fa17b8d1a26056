"""Which of the paper's models a loaded one is: by its dimensions alone."""

from dataclasses import replace

import pytest
from transformers import GPTJConfig, LlamaConfig

from core.paper.models import DIMENSIONS, Dimensions, is_about, model_of, table_for
from tests.some import some


@pytest.mark.parametrize("name", ["Llama-7B", "GPT-J"])
def test_each_is_known_by_its_dimensions_and_by_all_of_them(name):
    mine = DIMENSIONS[name]
    assert model_of(mine) == name
    for field in some(Dimensions.__dataclass_fields__):
        assert model_of(replace(mine, **{field: getattr(mine, field) + 1})) is None


def test_they_are_those_of_the_configurations():
    """The library's defaults are these two models."""
    llama, gptj = LlamaConfig(), GPTJConfig()
    assert DIMENSIONS["Llama-7B"] == Dimensions(
        llama.num_hidden_layers,
        llama.num_attention_heads,
        llama.intermediate_size,
        llama.hidden_size,
        llama.vocab_size,
        llama.max_position_embeddings,
    )
    assert DIMENSIONS["GPT-J"] == Dimensions(
        gptj.n_layer, gptj.n_head, 4 * gptj.n_embd, gptj.n_embd, gptj.vocab_size, gptj.n_positions
    )


def test_a_loaded_model_is_neither(bundled, any_model):
    assert model_of(bundled) is None
    assert model_of(any_model) is None


def test_the_name_does_not_count(bundled):
    assert model_of(replace(bundled, name="huggyllama/llama-7b")) is None


def test_tables_follow_the_model():
    assert [table_for(number, "GPT-J") for number in (1, 5, 6, 8, 24)] == [18, 19, 20, 21, 24]
    for model in ("Llama-7B", None):
        assert [table_for(number, model) for number in (1, 5, 6, 8, 24)] == [1, 5, 6, 8, 24]
    assert is_about(1, "Llama-7B")
    assert is_about(18, "GPT-J")
    assert not is_about(1, "GPT-J")
    assert not is_about(1, None)
