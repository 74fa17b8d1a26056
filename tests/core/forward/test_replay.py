"""Replayed layers against whole runs: unchanged, changed, from different layers, and inside other interventions."""

import pytest
import torch

import core.forward.replay
from core.forward.prefix_tree import build_trees
from core.forward.replay import (
    Hooks,
    Replay,
    Row,
    causal_inputs,
    layer_arguments,
    read_logits,
    rows_that_fit,
)
from core.hooks import ScaleHead, ScaleNeuron, intervene, own_hooks
from core.model.load import load_model
from tests.some import some

IDS = [[0, 5, 9, 40, 7, 6], [0, 8, 9, 41, 7, 3]]


def tokens(lm):
    return torch.tensor(IDS, device=lm.device)


def captured(lm):
    return Replay.capture(lm, tokens(lm), causal_inputs(lm, len(IDS[0])))


def streams(lm, ids):
    """The input of every layer in a whole run, and the last layer's output, [layer, row, pos, d_model]."""
    kept = []
    after = [(layer, lambda out: kept.append(out[0] if isinstance(out, tuple) else out)) for layer in lm.modules.layers]
    with torch.no_grad(), own_hooks([(lm.modules.layers[0], lambda x: kept.append(x))], after):
        lm.run(ids)
    return torch.stack(kept)


def off(lm, place):
    """A hook that sets one head or neuron to zero in one row."""
    kind, layer, index, row = place
    module = getattr(lm.modules, kind)(layer)
    width = lm.d_head if kind == "head_output" else 1

    def zero(value):
        value = value.clone()
        value[row, :, index * width : (index + 1) * width] = 0.0
        return value

    return module, zero


@torch.no_grad()
def test_an_unchanged_replay_is_the_run(any_model):
    lm = any_model
    replay, logits = captured(lm)
    whole = lm.run(tokens(lm))
    assert torch.equal(logits, whole)
    expected = streams(lm, tokens(lm))
    for layer in range(lm.n_layers + 1):
        rows = [Row(0, layer), Row(1, layer)]
        assert torch.equal(torch.cat([replay.inputs[row] for row in rows]), expected[layer])
        end = replay.run(rows)
        assert torch.equal(end, expected[-1])  # the same rows together, so the same bits
        assert torch.equal(read_logits(lm, end), whole)
        assert torch.allclose(replay.run([Row(1, layer)])[0], expected[-1][1], atol=1e-5, rtol=1e-5)
        assert torch.equal(replay.run([Row(0, 0), Row(1, 0)], end=layer), expected[layer])


@torch.no_grad()
def test_rows_that_join_at_their_own_layers_equal_separate_runs(any_model):
    lm = any_model
    replay, _ = captured(lm)
    end = lm.n_layers
    changes = {1: ("neuron_output", 0, 7), 3: ("head_output", 1, 2), 4: ("neuron_output", 2, 11)}
    rows = [Row(1, 0), Row(0, 0), Row(0, 1), Row(1, 1), Row(1, 2), Row(0, end)]
    joined = []

    def hooks(layer, new):
        joined.append((layer, list(new)))
        return Hooks([off(lm, (*change, row)) for row, change in changes.items() if change[1] == layer])

    found = replay.run(rows, hooks)
    assert joined == [(0, [0, 1]), (1, [2, 3]), (2, [4])]
    for number, row in enumerate(some(rows)):
        alone = tokens(lm)[row.source][None]
        with own_hooks([off(lm, (*changes[number], 0))] if number in changes else []):
            wanted = streams(lm, alone)[-1][0]
        assert torch.allclose(found[number], wanted, atol=1e-4, rtol=1e-5)
        if number in changes:
            assert not torch.allclose(found[number], streams(lm, alone)[-1][0], atol=1e-3)


@torch.no_grad()
def test_only_what_rows_need_is_kept(any_model):
    lm = any_model
    begin = Replay.of_tokens(lm, tokens(lm), layer_arguments(lm, len(IDS[0])))
    rows = [Row(0, 0), Row(1, 1), Row(1, 1), Row(0, lm.n_layers)]
    kept = begin.keeping(rows)
    assert set(kept.inputs) == set(rows)
    expected = streams(lm, tokens(lm))
    for row, x in some(kept.inputs.items()):
        assert torch.equal(x[0], expected[row.layer][row.source])
        assert x.untyped_storage().nbytes() == x.numel() * x.element_size()  # a copy, not a view of more
    found = kept.run(rows)
    for number, row in enumerate(some(rows)):
        assert torch.allclose(found[number], expected[-1][row.source], atol=1e-4, rtol=1e-5)


@torch.no_grad()
def test_inside_another_intervention(bundled):
    """The captured run and the replay are both of the intervened model."""
    lm = bundled
    edits = [ScaleHead(1, 0, 0.0), ScaleNeuron(2, 5, 3.0)]
    plain, _ = captured(lm)
    with intervene(lm, *edits):
        replay, logits = captured(lm)
        assert torch.equal(logits, lm.run(tokens(lm)))
        expected = streams(lm, tokens(lm))
        for layer in range(lm.n_layers + 1):
            assert torch.equal(replay.run([Row(0, layer), Row(1, layer)]), expected[-1])
        from_plain = plain.run([Row(0, 0), Row(1, 0)])
    assert torch.equal(from_plain, expected[-1])  # acts while the replay runs
    assert not torch.allclose(plain.run([Row(0, 0), Row(1, 0)]), expected[-1], atol=1e-3)


@torch.no_grad()
def test_8_bit_rows_are_captured_alone(checkpoints):
    lm = load_model(checkpoints("llama"), precision="int8")
    replay, logits = captured(lm)
    for source, ids in enumerate(IDS):
        alone = lm.run(lm.tensor(ids))
        assert torch.equal(logits[source], alone[0])
        for layer in range(lm.n_layers + 1):
            assert torch.equal(read_logits(lm, replay.run([Row(source, layer)])), alone)


@torch.no_grad()
def test_a_tree_of_prompts(any_model):
    (tree,) = build_trees(IDS)
    inputs = tree.inputs(any_model)
    replay, logits = Replay.capture(any_model, inputs.pop("input_ids"), inputs)
    for layer in range(any_model.n_layers + 1):
        found = read_logits(any_model, replay.run([Row(0, layer)] * 2))
        for path, ids in zip(tree.paths, IDS, strict=True):
            assert torch.allclose(found[1, path], any_model.logits(ids), atol=1e-3, rtol=1e-4)
    assert torch.equal(read_logits(any_model, replay.run([Row(0, 1)])), logits)


def test_gradients_flow_where_they_are_enabled(any_model):
    lm = any_model
    replay, _ = captured(lm)
    x = torch.cat([replay.inputs[Row(0, 1)], replay.inputs[Row(1, 1)]]).requires_grad_()
    again = Replay.of_stream(lm, 1, x, replay.arguments)
    target = torch.randn(x.shape, generator=torch.Generator().manual_seed(0))
    loss = (again.run() * target).sum()
    loss.backward()
    assert x.grad is not None
    assert float(x.grad.abs().max()) > 0
    with torch.no_grad():
        moved = x + 1e-3 * x.grad / x.grad.norm()
        rise = (Replay.of_stream(lm, 1, moved, replay.arguments).run() * target).sum() - loss
    assert float(rise) == pytest.approx(1e-3 * float(x.grad.norm()), rel=0.1)
    with torch.no_grad():
        assert not again.run().requires_grad


def test_rows_out_of_order_are_refused(bundled):
    replay, _ = captured(bundled)
    with pytest.raises(ValueError, match="in order of layer"):
        replay.run([Row(0, 1), Row(0, 0)])
    with pytest.raises(ValueError, match="begin after its end"):
        replay.run([Row(0, 1), Row(0, 3)], end=2)


def test_rows_that_fit(bundled, monkeypatch):
    assert rows_that_fit(bundled, 10) == 204
    assert rows_that_fit(bundled, 10**6) == 1
    assert rows_that_fit(bundled, 10, 10**9) == 1
    assert rows_that_fit(bundled, 1, 100) == min(2048, 2**25 // (100 * bundled.n_vocab))
    monkeypatch.setattr(bundled, "precision", "int8")
    assert rows_that_fit(bundled, 10) == 1
    assert rows_that_fit(bundled, 10, exact=False) == 204
    assert core.forward.replay.ROW_TOKENS["cpu"] == 2048
