"""Whole measurements of gender bias: the parts measured one by one give the same."""

import pandas as pd
import pytest

from core.bias.edit import edit_bias, edit_curve
from core.bias.locate import locate
from core.bias.measure import BiasWords, measure_bias
from core.bias.study import curve_over, edit_neurons, study_bias
from core.edits.side_effects import SideEffectPrompts
from core.errors import UserError
from core.hooks import ScaleNeuron
from core.vocabulary.neuron_tokens import top_tokens
from tests.some import some

WORDS = BiasWords(
    ("woman", "man"), (("nurse", "maid", "zzyzx"), ("police", "miner")), ("A <gend> works as a", "qqq <gend> is a")
)
KNOWN = BiasWords(("woman", "man"), (("nurse", "maid"), ("police", "miner")), ("A <gend> works as a",))


def test_a_study_is_its_parts_and_names_what_is_left_out(bundled):
    found = study_bias(bundled, WORDS)
    assert found.bias.words == KNOWN
    assert sorted(one.text for one in found.left_out) == ["qqq <gend> is a", "zzyzx"]
    assert found.bias.each.equal(measure_bias(bundled, KNOWN).each)
    by_hand = locate(bundled, KNOWN)
    assert found.located.top(20) == by_hand.top(20)
    pd.testing.assert_frame_equal(found.neurons.head(18), by_hand.to_frame(bundled, 18))
    assert len(found.neurons) == 200
    for i, tokens in enumerate(some(found.neurons["top_tokens"].head(5))):
        layer, neuron = by_hand.top(5)[i]
        coefficient = float(by_hand.coefficient[by_hand.favours(i), i])
        assert tokens == top_tokens(bundled, layer, neuron, coefficient, 8)


def test_words_are_checked(bundled):
    with pytest.raises(UserError, match="two different groups"):
        study_bias(bundled, BiasWords(("man", "man"), (("nurse",), ("police",)), ("A <gend>",)))


def test_an_edit_is_its_parts(bundled):
    neurons = locate(bundled, KNOWN).top(2)
    found = edit_neurons(bundled, KNOWN, neurons, 0.5, count=5, draws=1)
    prompts = SideEffectPrompts.of(bundled, count=5)
    by_hand = edit_bias(bundled, KNOWN, prompts, [ScaleNeuron(*pair, 0.5) for pair in neurons], 1)
    pd.testing.assert_frame_equal(found.found.table(), by_hand.table())
    assert [bias.total for bias in found.found.random] == [bias.total for bias in by_hand.random]
    assert found.side_effect_prompts == prompts


def test_the_curve_ends_at_all_neurons(bundled):
    neurons = locate(bundled, KNOWN).top(7)
    found = curve_over(bundled, KNOWN, neurons, 0.0, 5)
    assert found.counts == [0, 1, 2, 3, 4, 5, 6, 7]
    by_hand = edit_curve(bundled, KNOWN, SideEffectPrompts.of(bundled, count=5), neurons, 0.0, found.counts)
    pd.testing.assert_frame_equal(found.to_frame(), by_hand.to_frame())
