"""First-order scores beside exact effects."""

import pytest

from core.forward.record import record
from core.hooks import ScaleHead, ScaleNeuron, intervene
from core.neurons.agreement import score_agreement
from core.neurons.attribution import first_order
from tests.some import some

PROMPT, PAIRS = "3+5=", [(7, 12), (5, 3), (6, 100)]


@pytest.fixture(scope="module")
def measured(bundled):
    target = int(record(bundled, bundled.encode(PROMPT)).logits[-1].argmax())
    return target, score_agreement(bundled, PROMPT, PAIRS, target)


def log_p(lm, target, *edits):
    with intervene(lm, *edits):
        return float(record(lm, lm.encode(PROMPT)).logits[-1].double().log_softmax(-1)[target])


def test_exact_effects_are_those_of_an_intervention(bundled, measured):
    target, found = measured
    exact = found.to_frame().set_index(["kind", "name"])["exact"]
    original = log_p(bundled, target)
    for layer, head in [(3, 0), (4, 1), (5, 2)]:
        alone = original - log_p(bundled, target, ScaleHead(layer, head, 0.0))
        assert exact["head", f"{layer}_{head}"] == pytest.approx(alone, abs=1e-4)
    for layer, neuron in PAIRS:
        alone = original - log_p(bundled, target, ScaleNeuron(layer, neuron, 0.0))
        assert exact["neuron", f"{layer}_{neuron}"] == pytest.approx(alone, abs=1e-4)


def test_the_table_has_every_head_and_the_chosen_neurons(bundled, measured):
    target, found = measured
    frame = found.to_frame()
    assert (frame["kind"] == "head").sum() == bundled.n_layers * bundled.n_heads
    neurons = frame[frame["kind"] == "neuron"]
    assert neurons["name"].tolist() == [f"{layer}_{neuron}" for layer, neuron in PAIRS]
    scores = first_order(bundled, PROMPT, target)
    assert neurons["approximate"].tolist() == pytest.approx([float(scores.neurons[pair]) for pair in PAIRS])


def test_rank_correlation_lies_between_minus_one_and_one(measured):
    correlation = measured[1].rank_correlation()
    assert set(correlation) == {"head", "neuron"}
    assert all(-1 <= value <= 1 for value in some(correlation.values()))
    assert correlation["head"] > 0.5
