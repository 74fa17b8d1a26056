"""Importance by the full vocabulary, against the difference of two log-probabilities in float64."""

import pytest
import torch

from core.forward.record import record
from core.model.unembed import Unembedding
from core.model.weights import values
from core.neurons.importance import ROWS, exact_importance, sides_of
from tests import plain

PROMPT = "3+5="


def exact(lm, layer, neurons, target, run=None):
    run = run or record(lm, lm.encode(PROMPT))
    unembedding = Unembedding.of(lm)
    scale = unembedding.scale(run.resid_post[-1])
    r = run.resid_pre[:, -1] + run.attention_out[:, -1]
    side = sides_of(unembedding, r, run.coefficient[:, -1] * run.ffn_scale[:, -1, None], scale)[layer].of(neurons)
    groups = [(torch.arange(len(neurons)), [side])]
    return exact_importance(unembedding, values(lm, layer)[neurons], [target], groups)[0, :, 0]


def test_is_the_difference_of_two_log_probabilities(any_model):
    by_hand = plain.run(any_model.model, any_model.encode(PROMPT))
    neurons = torch.arange(any_model.n_neurons)
    for target in (int(by_hand.logits.argmax()), 7):
        dense = plain.importances(any_model.model, by_hand, target)
        for layer in range(any_model.n_layers):
            assert torch.allclose(exact(any_model, layer, neurons, target).float(), dense[layer], atol=1e-5, rtol=1e-4)


def test_does_not_depend_on_what_is_computed_beside_it(bundled):
    """To the last bit of float32, over one block of rows and over several."""
    everything = exact(bundled, 5, torch.arange(bundled.n_neurons), 7).float()
    some_of_them = torch.tensor([3, ROWS - 1, ROWS, 400, 5])
    assert torch.equal(exact(bundled, 5, some_of_them, 7).float(), everything[some_of_them])
    assert torch.equal(exact(bundled, 5, some_of_them[3:4], 7).float(), everything[400:401])


@pytest.mark.parametrize("size", [0.0, 1e-6, 1.0, 30.0, 1e4])
def test_changes_of_any_size(bundled, size):
    """Both branches, of small and of large changes of logits, give the one formula."""
    generator = torch.Generator().manual_seed(3)
    unembedding = Unembedding.of(bundled)
    v = torch.randn(4, bundled.d_model, generator=generator)
    r, scale = torch.randn(1, bundled.d_model, generator=generator), torch.tensor(1.3)
    [side] = sides_of(unembedding, r, torch.full((1, 4), size), scale)
    found = exact_importance(unembedding, v, [11], [(torch.arange(4), [side])])[0, :, 0]
    logits = plain.weight(bundled.model.lm_head) @ (unembedding.weight.double()[:, None] * torch.cat([r, v]).double().T)
    logits = logits.T / (scale.double() + unembedding.eps).sqrt()
    before, change = logits[0].log_softmax(-1), size * logits[1:]
    wanted = (before + change).log_softmax(-1)[:, 11] - before[11]
    assert torch.allclose(found, wanted, atol=1e-9 + 1e-6 * size, rtol=1e-5)
