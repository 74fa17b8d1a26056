"""The PE-DAG against the modules of the model, one neuron at a time."""

import pytest
import torch
from transformers.activations import ACT2FN

from core.chain.keys import keys_of
from core.chain.pe_dag import enhancing_of, subvalues
from core.errors import UserError
from core.forward.record import record
from core.model.load import load_model
from core.model.weights import columns, matrix, rows
from core.neurons.root import root_of
from tests import plain

PROMPT = "3+5="
NEURONS = [(2, 5), (0, 3), (1, 17), (0, 40), (1, 2), (2, 31)]
IMPORTANCE = [0.4, 0.1, 0.3, 0.2, 0.9, 0.0]


def listen(lm, layer, neuron, x):
    """What each of a neuron's maps makes of a part of the stream: the norm's scale left out, no biases."""
    norm, maps = lm.modules.ffn_norm(layer), reversed(lm.modules.neuron_input(layer))
    if lm.architecture.norm == "layer":
        x = x - x.mean()
    return torch.stack(
        [
            applied(m, plain.gain(lm.model, norm).float() * x, neuron) - applied(m, torch.zeros_like(x), neuron)
            for m in maps
        ]
    )


def applied(keys, x, neuron):
    """What the model's own map gives a neuron for a vector."""
    return keys.module(x)[keys.of([neuron])[0]]


def test_keys_score_what_the_neuron_fires_by(any_model):
    run = record(any_model, any_model.encode(PROMPT))
    positions = [-1, 2, 0, 4, -1, 3]
    keys = keys_of(any_model, run, NEURONS, positions)
    config = any_model.model.config
    act = ACT2FN[
        next(
            getattr(config, n) for n in ("hidden_activation", "hidden_act", "activation_function") if hasattr(config, n)
        )
    ]
    for i, ((layer, neuron), position) in enumerate(zip(NEURONS, positions, strict=True)):
        scores = keys.scores[:, i]
        fired = act(scores[0]) if len(scores) == 1 else act(scores[1]) * scores[0]  # up first, then gate
        assert fired.item() == pytest.approx(run.coefficient[layer, position, neuron].item(), rel=1e-3, abs=1e-4)


def test_edges_are_what_the_modules_hear(any_model):
    run = record(any_model, any_model.encode(PROMPT))
    dag = enhancing_of(any_model, run, NEURONS, IMPORTANCE)
    keys = keys_of(any_model, run, NEURONS)
    for a, (layer_a, neuron_a) in enumerate(NEURONS):
        written = plain.written(any_model.model, layer_a, run.coefficient[layer_a, -1])[neuron_a].float()
        for b, (layer_b, neuron_b) in enumerate(NEURONS):
            wanted = torch.zeros(2)
            if layer_a < layer_b:
                heard = listen(any_model, layer_b, neuron_b, written)
                wanted[: len(heard)] = heard * torch.sign(keys.scores[:, b])
            got = torch.stack([dag.weight_up[a, b], dag.weight_gate[a, b]])
            assert torch.allclose(got, wanted, rtol=1e-4, atol=1e-4)
    assert dag.weight.count_nonzero() == 2 * 2 * 3  # two neurons a layer, three pairs of layers
    frame = dag.to_frame()
    assert len(frame) == 12
    assert frame.weight.is_monotonic_decreasing
    best = frame.iloc[0]
    a, b = NEURONS.index((best.layer, best.neuron)), NEURONS.index((best.into_layer, best.into_neuron))
    assert best.weight == pytest.approx(dag.weight.max().item()) == pytest.approx(dag.weight[a, b].item())


def test_a_neuron_gone_takes_its_weight_off_the_score(any_model):
    """Times the frozen scale, a weight is exactly the score that is lost when only the direct path is cut."""
    run = record(any_model, any_model.encode(PROMPT))
    dag = enhancing_of(any_model, run, NEURONS, IMPORTANCE)
    parallel = any_model.modules.parallel
    for a, b in [(1, 0), (2, 5), (3, 4)]:
        (layer, neuron), written = NEURONS[b], subvalues(any_model, run, [NEURONS[a]])[0]
        x = run.resid_pre[layer, -1] + (0 if parallel else run.attention_out[layer, -1])
        norm = any_model.modules.ffn_norm(layer)
        frozen = norm(x)  # a forward pass of the real norm, then the same scale for what is left
        centred = written - written.mean() if any_model.architecture.norm == "layer" else written
        without = frozen - plain.gain(any_model.model, norm).float() * centred * dag.scale[b]
        up = any_model.modules.neuron_input(layer)[-1]
        lost = (applied(up, frozen, neuron) - applied(up, without, neuron)) * torch.sign(dag.score_up[b])
        assert lost.item() == pytest.approx((dag.weight_up[a, b] * dag.scale[b]).item(), rel=1e-3, abs=1e-4)


def test_root():
    assert root_of(NEURONS, IMPORTANCE) == (0, 40)
    assert root_of([(3, 1), (3, 0)], [0.5, 0.5]) == (3, 0)
    for bad in ([], []), ([(0, 1), (0, 1)], [1.0, 1.0]), ([(0, 1)], [1.0, 2.0]):
        with pytest.raises(UserError):
            root_of(*bad)


def test_neurons_that_do_not_exist(bundled):
    run = record(bundled, bundled.encode(PROMPT))
    for bad in (99, 0), (0, 10**6), (-1, 0):
        with pytest.raises(UserError):
            enhancing_of(bundled, run, [bad], [1.0])


def test_rows_and_columns_of_8_bit_weights(checkpoints):
    lm = load_model(checkpoints("llama"), "int8")
    for _ in range(2):  # before and after the first run
        up, down = lm.modules.neuron_input(1)[1].module, lm.modules.neuron_output(1)
        assert torch.equal(rows(up, [3, 40, 3]), matrix(up)[[3, 40, 3]])
        assert torch.equal(columns(down, [7, 0]), matrix(down)[:, [7, 0]])
        run = record(lm, lm.encode(PROMPT))
    exact = load_model(checkpoints("llama"), "fp32")
    ours, theirs = (enhancing_of(m, run, NEURONS, IMPORTANCE).weight for m in (lm, exact))
    assert (ours - theirs).abs().max() < 0.05 * theirs.abs().max()
