"""First-order scores against small finite steps, and against switching off."""

import pytest
import torch

from core.errors import UserError
from core.hooks import ScaleHead, ScaleNeuron, intervene
from core.model.load import load_model
from core.neurons.attribution import first_order
from tests.some import some


def log_p(lm, prompt, target, *edits):
    ids = lm.encode(prompt)
    with intervene(lm, *edits):
        return float(torch.log_softmax(lm.logits(ids)[-1].double(), -1)[target])


def test_is_the_slope_of_each_factor(any_model):
    scores, step = first_order(any_model, "3+5="), 1e-2
    edits = [
        (ScaleHead, 0, 1, scores.heads),
        (ScaleHead, 2, 3, scores.heads),
        (ScaleNeuron, 1, 7, scores.neurons),
        (ScaleNeuron, 2, 40, scores.neurons),
    ]
    for make, layer, index, found in some(edits):
        up, down = (log_p(any_model, "3+5=", scores.target, make(layer, index, 1 + s)) for s in (step, -step))
        assert float(found[layer, index]) == pytest.approx((up - down) / (2 * step), abs=3e-3, rel=2e-2)


def test_of_the_last_layer_neuron_orders_like_the_exact_effect(bundled):
    scores = first_order(bundled, "3+5=")
    nothing = log_p(bundled, "3+5=", scores.target)
    assert scores.log_probability == pytest.approx(nothing, abs=1e-5)
    best = scores.neurons[7].topk(12).indices.tolist()
    exact = [nothing - log_p(bundled, "3+5=", scores.target, ScaleNeuron(7, n, 0.5)) for n in best]
    random = [nothing - log_p(bundled, "3+5=", scores.target, ScaleNeuron(7, n, 0.5)) for n in range(12)]
    assert sum(exact) > 3 * abs(sum(random))


def test_leaves_nothing_behind(bundled):
    ids = bundled.encode("3+5=")
    before = bundled.logits(ids)
    first_order(bundled, "3+5=")
    assert torch.equal(before, bundled.logits(ids))
    assert all(not p.requires_grad and p.grad is None for p in some(bundled.model.parameters()))


def test_frame_and_target(bundled):
    scores = first_order(bundled, "3+5=", target=5)
    frame = scores.to_frame()
    assert scores.target == 5
    assert len(frame) == 64 + 4096
    assert frame["score"].is_monotonic_decreasing
    row = frame[(frame["kind"] == "head") & (frame["layer"] == 5) & (frame["index"] == 2)]
    assert float(row["score"].iloc[0]) == pytest.approx(float(scores.heads[5, 2]))
    with pytest.raises(UserError, match="outside this model's vocabulary"):
        first_order(bundled, "3+5=", target=-1)


def test_int8(checkpoints):
    lm = load_model(checkpoints("llama"), precision="int8")
    plain = load_model(checkpoints("llama"), precision="fp32")
    a, b = (first_order(m, "3+5=", target=9).neurons.flatten() for m in (lm, plain))
    assert torch.corrcoef(torch.stack([a, b]))[0, 1] > 0.9
