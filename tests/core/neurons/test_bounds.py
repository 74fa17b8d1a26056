"""Bounds of importance: they hold the exact value, and what they rest on is the plain product."""

import pytest
import torch

from core.forward.record import record
from core.hooks import ScaleHead, intervene
from core.model.unembed import Unembedding
from core.neurons.bounds import LayerBounds, are_prepared, longest_row, run_means, value_extremes, value_lengths
from core.neurons.importance import sides_of
from tests import plain
from tests.some import some

PROMPT = "3+5="


def products(lm, layer):
    """`W_U (g * v)` of every neuron, v centred for a LayerNorm (neuron, vocab), float64."""
    v = plain.values(lm.model, layer)
    norm = lm.modules.final_norm
    if isinstance(norm, torch.nn.LayerNorm):
        v = v - v.mean(-1, keepdim=True)
    return v * plain.gain(lm.model, norm) @ plain.weight(lm.modules.unembedding).T


@pytest.mark.parametrize("tokens", [1, 64, 1100])
def test_hold_the_exact_importance(any_model, tokens):
    ids = any_model.encode(PROMPT)
    runs = [plain.run(any_model.model, ids, heads) for heads in ((), [(1, 2)])]
    recordings = [record(any_model, ids)]
    with intervene(any_model, ScaleHead(1, 2, 0.0)):
        recordings.append(record(any_model, ids))
    target = int(runs[0].logits.argmax())
    dense = [plain.importances(any_model.model, run, target, runs[0]) for run in runs]
    unembedding = Unembedding.of(any_model)
    scale = unembedding.scale(recordings[0].resid_post[-1])
    sides = [
        sides_of(
            unembedding,
            one.resid_pre[:, -1] + one.attention_out[:, -1],
            one.coefficient[:, -1] * one.ffn_scale[:, -1, None],
            scale,
        )
        for one in recordings
    ]
    for layer in range(any_model.n_layers):
        columns = plain.values(any_model.model, layer).T.float()
        means = run_means(unembedding, [side[layer] for side in sides])
        found = LayerBounds.of(unembedding, target, means, tokens).bounds(
            columns,
            value_extremes(any_model, [layer])[layer],
            value_lengths(any_model, layer) * longest_row(any_model),
            slice(None),
        )
        for (low, high), wanted in some(zip(found, dense, strict=True)):
            assert (low <= high).all()
            assert (low <= wanted[layer] + 2e-5).all()  # the exact values are rounded to float32
            assert (high >= wanted[layer] - 2e-5).all()
            if tokens == 1100:  # the whole vocabulary: nothing is left to bound
                assert torch.allclose(low, high, atol=1e-2)


def test_extremes_are_those_of_the_products(any_model):
    found = value_extremes(any_model)
    assert set(found) == set(range(any_model.n_layers))
    assert are_prepared(any_model, range(any_model.n_layers))
    for layer in range(any_model.n_layers):
        logits = products(any_model, layer)
        wanted = torch.stack([logits.amin(-1), logits.amax(-1)], -1)
        assert torch.allclose(found[layer].double(), wanted, atol=1e-4)


def test_lengths_bound_every_logit(any_model):
    for layer in range(any_model.n_layers):
        columns = plain.values(any_model.model, layer).T
        lengths = value_lengths(any_model, layer)
        assert torch.allclose(lengths.double(), columns.norm(dim=0), rtol=1e-5)
        furthest = products(any_model, layer).abs().amax(-1)
        assert (furthest <= lengths * longest_row(any_model) * (1 + 1e-5)).all()
