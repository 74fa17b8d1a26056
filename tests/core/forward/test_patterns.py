"""Copied attention weights against a run whose softmax gives other weights, and what heads read."""

from contextlib import contextmanager

import pytest
import torch
from torch.nn import functional

from core.forward.patching import PairRuns, Place
from core.forward.patterns import head_values, patterned
from core.forward.record import record
from tests.some import some

BASE, OTHER = "3 + 5 =", "9 * 7 ="


@contextmanager
def softmax_of_layers(monkeypatch, each):
    """Every softmax of attention goes through `each(layer, weights)`; weights are (1, head, query, key)."""
    true, calls = functional.softmax, []

    def softmax(scores, *args, **kwargs):
        weights = true(scores, *args, **kwargs)
        if weights.dim() != 4:
            return weights
        calls.append(None)
        return each(len(calls) - 1, weights)

    with monkeypatch.context() as patch:
        patch.setattr(functional, "softmax", softmax)
        patch.setattr(torch.nn.functional, "softmax", softmax)
        yield calls


def weights_of(lm, ids, monkeypatch):
    """Attention weights of each layer of a plain run."""
    kept = []

    def keep(layer, weights):
        kept.append(weights)
        return weights

    with softmax_of_layers(monkeypatch, keep):
        lm.logits(ids)
    assert len(kept) == lm.n_layers
    return kept


def alone(lm, ids, monkeypatch, place, others):
    """Log-probabilities of a run with the attention weights of one place replaced inside the model's own softmax."""

    def replaced(layer, weights):
        if layer != place.layer:
            return weights
        weights = weights.clone()
        heads = slice(None) if place.site == "pattern" else place.index
        queries = slice(None) if place.position is None else place.position
        weights[0, heads, queries] = others[layer][0, heads, queries]
        return weights

    with softmax_of_layers(monkeypatch, replaced):
        return torch.log_softmax(lm.logits(ids)[-1].double(), -1)


@pytest.mark.parametrize("position", [1, 3, 4, None])
def test_copied_weights_are_those_that_the_model_then_uses(any_model, monkeypatch, position):
    lm = any_model
    ids, other = lm.encode(BASE), lm.encode(OTHER)
    others = weights_of(lm, other, monkeypatch)
    places = [Place("pattern", layer, position) for layer in range(lm.n_layers)]
    heads = range(lm.n_heads)
    places += [Place("head pattern", layer, position, head) for layer in range(lm.n_layers) for head in heads]
    places.sort(key=lambda place: place.layer)
    runs = PairRuns(lm, [ids], [other], ("pattern", "head pattern"))
    with torch.no_grad():
        found = torch.log_softmax(runs.patched([(0, place) for place in places]).double(), -1)
    clean = torch.log_softmax(lm.logits(ids)[-1].double(), -1)
    moved = []
    for place, there in zip(some(places), found, strict=True):
        by_hand = alone(lm, ids, monkeypatch, place, others)
        assert torch.allclose(there, by_hand, atol=1e-4)
        moved.append(float((by_hand - clean).abs().max()))
    if position != 1:  # the token before is the same in both prompts
        assert max(moved) > 1e-2


def test_every_weight_and_every_value_are_the_whole_head(any_model):
    """The recorded weights on the recorded values are the recorded heads."""
    lm = any_model
    ids = lm.encode(BASE)
    cache = record(lm, ids)
    for layer in some(range(lm.n_layers)):
        kept = []
        handle = lm.modules.value(layer).register_forward_hook(lambda _m, _a, output, kept=kept: kept.append(output))
        lm.logits(ids)
        handle.remove()
        values = head_values(lm, kept[0])
        assert values.shape == (1, lm.n_heads, len(ids), lm.d_head)
        z = patterned(lm, cache.pattern[layer][None].to(kept[0].dtype), kept[0])
        assert torch.allclose(z[0].float(), cache.z[layer], atol=1e-5)
