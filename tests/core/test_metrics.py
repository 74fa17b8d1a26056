"""Metrics against the same quantities spelled out, one row at a time."""

import math

import pytest
import torch

from core.errors import UserError
from core.metrics import METRICS, PROBABILITY, Metric, as_metric

LOGITS = torch.randn(3, 4, 7, generator=torch.Generator().manual_seed(0), dtype=torch.float64)
TARGETS = torch.randint(7, (3, 4), generator=torch.Generator().manual_seed(1))


def one_by_one(metric, logits, target):
    """A metric of one row in plain Python."""
    row = logits.tolist()
    log_p = row[target] - math.log(sum(math.exp(x) for x in row))
    strongest = max(x for i, x in enumerate(row) if i != target)
    return {
        "probability": math.exp(log_p),
        "log-probability": log_p,
        "logit difference": row[target] - strongest,
        "exact match": float(row[target] > strongest),
    }[metric]


@pytest.mark.parametrize("name", METRICS)
def test_equals_the_quantity_spelled_out(name):
    found = METRICS[name](LOGITS, TARGETS)
    assert found.shape == TARGETS.shape
    for i in range(3):
        for j in range(4):
            assert found[i, j].item() == pytest.approx(one_by_one(name, LOGITS[i, j], int(TARGETS[i, j])), abs=1e-12)
    assert len(set(found.flatten().tolist())) > 1


def test_a_difference_to_another_result():
    other = (TARGETS + 2) % 7
    found = METRICS["logit difference"](LOGITS, TARGETS, other)
    gather = LOGITS.gather(-1, torch.stack([TARGETS, other], -1))
    assert torch.allclose(found, gather[..., 0] - gather[..., 1])
    same = METRICS["logit difference"](LOGITS, TARGETS, TARGETS)  # two prompts with one result
    assert torch.equal(same, METRICS["logit difference"](LOGITS, TARGETS))


def test_a_callable_is_a_metric():
    def entropy(logits, target):
        return -(logits.softmax(-1) * logits.log_softmax(-1)).sum(-1)

    metric = as_metric(entropy)
    assert (metric.name, metric.unit, metric.is_share) == ("entropy", "", False)
    assert torch.equal(metric(LOGITS, TARGETS), entropy(LOGITS, TARGETS))
    assert as_metric("probability") is PROBABILITY
    assert as_metric(metric) is metric


def test_what_is_no_metric_is_refused():
    with pytest.raises(UserError, match="log-probability"):
        as_metric("perplexity")
    for wrong in (lambda logits, target: logits, lambda logits, target: 3.0):
        with pytest.raises(UserError, match="one number for each target"):
            as_metric(wrong)(LOGITS, TARGETS)
    assert isinstance(as_metric(lambda logits, target: target), Metric)
