"""Whole measurements of causal mediation: what the page shows is what the parts measure one by one."""

import pandas as pd
import pytest
import torch

from core.errors import UserError
from core.mediation.draw import draw_pairs
from core.mediation.measure import indirect_effects, mediate
from core.mediation.study import DEFAULT_SITES, DrawnPairs, TypedPair, measure_control, measure_pairs, measure_units
from core.mediation.summary import cells
from core.mediation.units import head_effects, important_neurons, neuron_effects
from core.model.random_weights import random_weights
from core.progress import Stopped
from core.vocabulary.neuron_tokens import both_sides
from tests.some import some


def test_drawn_pairs_are_measured_as_by_hand(bundled):
    told = []
    found = measure_pairs(bundled, DrawnPairs(count=3, seed=4), lambda done, total: told.append(done / total))
    pairs = draw_pairs(bundled, count=3, seed=4)
    assert found.found.pairs == pairs
    assert found.settings.count == 3
    pd.testing.assert_frame_equal(found.table, cells(mediate(bundled, pairs, DEFAULT_SITES)))
    by_hand = cells(mediate(bundled, pairs, DEFAULT_SITES), grouping="CMA")
    pd.testing.assert_frame_equal(found.cma_table, by_hand)
    assert found.table_by("roles") is found.table
    assert found.table_by("CMA") is found.cma_table
    assert told == sorted(told)
    assert told[-1] == 1.0


def test_a_typed_pair_is_measured_as_by_hand(bundled):
    settings = TypedPair("3 + 5 =", "8", "2 + 7 =", None)
    found = measure_pairs(bundled, settings)
    by_hand = indirect_effects(bundled, "3 + 5 =", "2 + 7 =", base_result="8")
    assert settings.count == len(found.found.pairs) == 1
    assert torch.equal(found.found.effects["ffn"][0].effect, by_hand.effect)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        (DrawnPairs(operations=()), "at least one operation"),
        (DrawnPairs(templates=()), "at least one"),
        (DrawnPairs("other operator", operations=("+",)), "two operations"),
        (TypedPair("3 + 5 =", None, "13 + 5 =", None), "same number of tokens"),
        (TypedPair("3 + 5 =", "12", "2 + 7 =", None), "2 tokens"),
        (DrawnPairs(sites=()), "at least one site"),
        (TypedPair("3 + 5 =", None, "2 + 7 =", None, sites=("ffn", "ffn")), "each once"),
        (DrawnPairs(sites=("ffn", "head")), "'head' does not exist here"),
    ],
)
def test_settings_are_checked_before_anything_is_measured(bundled, settings, words):
    with pytest.raises(UserError, match=words):
        settings.check(bundled)
    with pytest.raises(UserError, match=words):
        measure_pairs(bundled, settings)


def test_other_sites(bundled):
    sites = ("pattern", "residual")
    found = measure_pairs(bundled, DrawnPairs(count=2, sites=sites))
    assert set(found.table["site"]) == set(sites)
    assert found.importance == {}
    by_hand = mediate(bundled, draw_pairs(bundled, count=2), ("residual",))
    assert torch.allclose(
        found.found.effects["residual"][1].log_effect, by_hand.effects["residual"][1].log_effect, atol=1e-3
    )


def test_the_control_is_the_same_pairs_in_a_random_model(bundled):
    measured = measure_pairs(bundled, DrawnPairs(count=4))
    found = measure_control(bundled, measured, seed=2)
    assert found.control == 2
    assert measured.control is None
    assert found.found.pairs == measured.found.pairs  # drawn pairs have their results
    with random_weights(bundled, 2) as drawn:
        pair = measured.found.pairs[1]
        end = torch.log_softmax(drawn.logits(list(pair.base_ids))[-1], -1)
    effects = found.found.effects["ffn"][1]
    assert effects.clean[0].tolist() == pytest.approx(
        end[[pair.base_result, pair.alternative_result]].tolist(), rel=1e-4
    )
    assert set(found.importance) == {"ffn", "attention"}
    assert found.table["geometric mean"].max() < 0.1 * measured.table["geometric mean"].max()


def test_the_control_of_typed_prompts_keeps_the_predictions_of_the_trained_model(bundled):
    measured = measure_pairs(bundled, TypedPair("3 + 5 =", None, "2 + 7 =", None))
    (pair,) = measure_control(bundled, measured).found.pairs
    assert [bundled.token(pair.base_result), bundled.token(pair.alternative_result)] == ["8", "9"]


def test_units_are_those_of_cna_with_their_tokens(bundled):
    pairs = draw_pairs(bundled, count=2)
    found = measure_units(bundled, pairs, n_neurons=5)
    assert found.heads.to_frame().equals(head_effects(bundled, pairs).to_frame())
    places = important_neurons(bundled, pairs, 5)
    assert found.neurons.to_frame().equals(neuron_effects(bundled, pairs, places).to_frame())
    assert found.tokens == [both_sides(bundled, *place, 6) for place in sorted(places)]


def test_a_stop_before_the_first_pair_leaves_nothing(bundled):
    def stop(done, total):
        raise Stopped

    with pytest.raises(Stopped):
        measure_pairs(bundled, DrawnPairs(count=2), stop)


def test_the_same_settings_for_another_kind():
    """Rows of one list of templates say nothing of another list."""
    cna = DrawnPairs(templates=(0, 2), digits=(2,), seed=3)
    assert cna.of_kind("three operands") == DrawnPairs("three operands", templates=(0, 2), digits=(2,), seed=3)
    cma = DrawnPairs(template_set="CMA", templates=(5,), number_range="CMA, up to 300")
    assert cma.of_kind("same result").templates == (5,)
    for kind in some(("number retrieval", "three operands", "facts")):
        assert cma.of_kind(kind) == DrawnPairs(kind, template_set="CMA", number_range="CMA, up to 300")
