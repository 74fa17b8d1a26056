"""Parity with what the CNA authors' own code computes on the reference checkpoint."""

import json

import pytest
import torch

from core.heads.sweep import sweep_heads
from core.neurons.compare import compare_heads
from core.neurons.layers import layer_increase
from core.vocabulary.neuron_tokens import top_tokens
from tests.conftest import REFERENCE
from tests.some import some

CASES = json.loads((REFERENCE / "golden.json").read_text())["cases"]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["prompt"])
def test_prediction(reference, case):
    assert reference.encode(case["prompt"]) == case["ids"]
    logits = reference.logits(case["ids"])
    assert torch.allclose(logits[-1], torch.tensor(case["logits_last"]), atol=2e-5)
    assert int(logits[-1].argmax()) == case["predict_index"]


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["prompt"])
def test_every_head(reference, case):
    swept = sweep_heads(reference, [case["prompt"]])
    assert swept.targets == [case["predict_index"]]
    assert swept.baseline.item() == pytest.approx(case["prob"], abs=1e-5)
    for name, probability in some(case["head_probs"].items()):
        layer, head = map(int, name.split("_"))
        assert swept.probability[0, layer, head].item() == pytest.approx(probability, abs=1e-5)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["prompt"])
def test_layer_increase(reference, case):
    increase = layer_increase(reference, case["prompt"])
    assert torch.allclose(increase.attention, torch.tensor(case["attn_layer_increase"]), atol=2e-5)
    assert torch.allclose(increase.ffn, torch.tensor(case["ffn_layer_increase"]), atol=2e-5)


def _compared(reference, case, k=None):
    head = tuple(map(int, case["top_head"].split("_")))
    return compare_heads(reference, case["prompt"], [head], k)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["prompt"])
def test_every_neuron(reference, case):
    c = _compared(reference, case)
    where = c.layer, c.neuron
    assert torch.allclose(c.importance_first, torch.tensor(case["importance"])[where], atol=2e-5, rtol=0)
    assert torch.allclose(c.importance_second, torch.tensor(case["importance_inv"])[where], atol=2e-5, rtol=0)
    assert torch.allclose(c.coefficient_first, torch.tensor(case["coef"])[where], rtol=2e-5, atol=2e-5)
    assert torch.allclose(c.coefficient_second, torch.tensor(case["coef_inv"])[where], rtol=2e-5, atol=2e-5)


@pytest.mark.parametrize("k", [None, 20])
@pytest.mark.parametrize("case", CASES, ids=lambda c: c["prompt"])
def test_first_neurons_and_their_tokens(reference, case, k):
    c = _compared(reference, case, k)
    theirs = case["top_neurons"][:20]
    assert c.top(20) == [(layer, neuron) for layer, neuron, _ in theirs]
    assert torch.allclose(c.change[:20], torch.tensor([change for *_, change in theirs]), atol=2e-5, rtol=0)
    for (layer, neuron), m, tokens in some(
        zip(c.top(5), c.coefficient_first.tolist(), case["top_tokens"], strict=False)
    ):
        assert top_tokens(reference, layer, neuron, m) == [reference.token(t) for t in tokens]
