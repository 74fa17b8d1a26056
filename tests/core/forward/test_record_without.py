"""A record without some heads, against a whole run of its own, and how often layers run for it."""

import pytest
import torch

from core.errors import UserError
from core.forward.record import record
from core.forward.record_without import record_without
from core.hooks import ScaleHead, ScaleNeuron, intervene, own_hooks
from core.neurons.compare import compare_heads
from core.neurons.layers import layer_increase
from tests.core.forward.test_record import assert_equal

PROMPT = "3 + 5 ="


@pytest.mark.parametrize("heads", [[(0, 1)], [(2, 3)], [(2, 0), (1, 2), (2, 0)]])
def test_both_are_whole_runs_bit_for_bit(any_model, heads):
    ids = any_model.prompt_ids(PROMPT)
    original, without = record_without(any_model, PROMPT, heads)
    assert_equal(original, record(any_model, ids))
    with intervene(any_model, *(ScaleHead(*head, 0.0) for head in set(heads))):
        assert_equal(without, record(any_model, ids))
    assert not torch.equal(original.logits, without.logits)


def test_inside_an_intervention_both_are_of_the_intervened_model(bundled):
    with intervene(bundled, ScaleNeuron(3, 7, 0.0), ScaleHead(1, 2, 0.5)):
        ids = bundled.prompt_ids(PROMPT)
        original, without = record_without(bundled, ids, [(4, 3)])
        assert_equal(original, record(bundled, ids))
        with intervene(bundled, ScaleHead(4, 3, 0.0)):
            assert_equal(without, record(bundled, ids))


def layers_run(lm, work):
    """How often each layer runs."""
    runs = [0] * lm.n_layers

    def counting(number):
        def count(_value):
            runs[number] += 1

        return count

    with own_hooks(before=[(layer, counting(number)) for number, layer in enumerate(lm.modules.layers)]):
        work()
    return runs


def test_layers_below_the_lowest_head_run_once(any_model):
    assert layers_run(any_model, lambda: record_without(any_model, PROMPT, [(2, 0), (1, 3)])) == [1, 2, 2]
    assert layers_run(any_model, lambda: compare_heads(any_model, PROMPT, [(2, 0)], 5)) == [1, 1, 2]


def test_the_layer_increase_takes_one_run(any_model):
    assert layers_run(any_model, lambda: layer_increase(any_model, PROMPT)) == [1, 1, 1]


def test_a_head_that_does_not_exist_is_told(bundled):
    with pytest.raises(UserError, match="does not exist"):
        record_without(bundled, PROMPT, [(3, 99)])
