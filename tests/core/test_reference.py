"""Parity with what the CNA authors' own code computes on the reference checkpoint."""

import json

import pytest
import torch

from core.heads import sweep_heads
from core.increase import layer_increase
from tests.conftest import REFERENCE

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
    for name, probability in case["head_probs"].items():
        layer, head = map(int, name.split("_"))
        assert swept.probability[0, layer, head].item() == pytest.approx(probability, abs=1e-5)


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["prompt"])
def test_layer_increase(reference, case):
    increase = layer_increase(reference, case["prompt"])
    assert torch.allclose(increase.attention, torch.tensor(case["attn_layer_increase"]), atol=2e-5)
    assert torch.allclose(increase.ffn, torch.tensor(case["ffn_layer_increase"]), atol=2e-5)
