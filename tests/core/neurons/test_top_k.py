"""The exact top neurons against all of them in order, on pairs of runs."""

import pytest
import torch

from core.forward.record import record
from core.hooks import ScaleHead, intervene
from core.model.unembed import Unembedding
from core.neurons.top_k import Evaluator, RunPair, rank_all, rank_top
from tests.dense import dense_comparison

PROMPT, LAYER = "3+5=", 1


def runs(lm, first_layer=LAYER):
    """A run with nothing off and one with a head of layer 1 off."""
    ids = lm.encode(PROMPT)
    first = record(lm, ids)
    with intervene(lm, ScaleHead(LAYER, 2, 0.0)):
        second = record(lm, ids)
    scale = Unembedding.of(lm).scale(first.resid_post[-1])
    return RunPair((lm, lm), (first, second), int(first.logits[-1].argmax()), scale, first_layer)


def test_all_of_them_are_ranked_as_by_hand(any_model):
    ranked = rank_all(runs(any_model))
    n = any_model.n_layers * any_model.n_neurons
    assert sorted(ranked.index.tolist()) == list(range(n))
    dense = dense_comparison(any_model, any_model.encode(PROMPT), [(LAYER, 2)], n)
    place = dense.layer * any_model.n_neurons + dense.neuron
    changes = torch.empty(n).scatter(0, place, dense.change)
    found = (ranked.importance[0] - ranked.importance[1]).float()
    assert torch.allclose(found, changes[ranked.index], atol=2e-5)
    assert found.sort(descending=True, stable=True).values.equal(found)


@pytest.mark.parametrize("k", [1, 10, 100])
def test_the_top_is_the_beginning_of_all(any_model, k):
    pair = runs(any_model)
    everything, top = rank_all(pair), rank_top(pair, k)
    assert torch.equal(top.index, everything.index[:k])
    assert torch.equal(top.importance.float(), everything.importance[:, :k].float())
    assert k <= top.by_full_vocabulary <= everything.by_full_vocabulary == len(everything.index)


def test_layers_below_the_first_that_differs_do_not_change_and_ties_stand_in_order(any_model):
    pair = runs(any_model)
    ranked = rank_all(pair)
    below = ranked.index < LAYER * any_model.n_neurons
    assert ranked.importance[0][below].equal(ranked.importance[1][below])
    assert ranked.index[below].equal(torch.arange(LAYER * any_model.n_neurons))
    lower = rank_top(runs(any_model, first_layer=0), 20)  # known to be the same, or found to be
    assert torch.equal(rank_top(pair, 20).index, lower.index)


def test_neurons_are_evaluated_in_the_order_in_which_they_are_asked_for(bundled):
    work = Evaluator(runs(bundled))
    index = torch.tensor([4000, 3, 700, 3999, 512, 513])
    together = work.exact(index).float()
    assert torch.equal(work.exact(index.flip(0)).float(), together.flip(1))
    assert torch.equal(torch.cat([work.exact(one[None]) for one in index], 1).float(), together)


def test_progress_comes_to_its_end(bundled):
    told = []
    rank_top(runs(bundled), 5, lambda done, total: told.append((done, total)))
    assert told == sorted(told)
    assert told[-1][0] == told[-1][1] == bundled.n_layers - LAYER + 1
