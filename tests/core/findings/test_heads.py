"""Head decreases of a findings file, against the sweep and plain arithmetic."""

from dataclasses import replace

import pytest
import torch

from core.findings.figures import NotMeasurable
from core.findings.heads import MATTERS, measure_heads
from core.heads.accuracy import sweep_accuracy
from core.progress import silent
from core.statistics.intervals import relative_decreases
from tests.some import some


@pytest.fixture(scope="module")
def sums(bundled, small_settings):
    return measure_heads(bundled, small_settings, "+", 1, silent)


def test_decreases_are_those_of_the_sweep(bundled, small_settings, sums):
    original, values = sweep_accuracy(bundled, small_settings.asked("+", 1, small_settings.prompts)).accuracy(
        scoring="tokens"
    )
    assert sums.baseline.value == pytest.approx(original)
    assert torch.tensor(sums.decrease).numpy() == pytest.approx(((original - values) / original).numpy())


def test_intervals_hold_their_value_and_top_heads_come_first(sums):
    low, value, high = (torch.tensor(rows) for rows in (sums.low, sums.decrease, sums.high))
    assert (low <= value).all()
    assert (value <= high).all()
    falls = [head.decrease.value for head in sums.top]
    assert falls == pytest.approx(sorted(value.flatten().tolist(), reverse=True)[: len(falls)])
    for head in some(sums.top):
        assert head.decrease.value == sums.decrease[head.layer][head.head]
        assert head.name == f"{head.layer}_{head.head}"


def test_counts_and_shares_are_those_of_a_loop(sums):
    value, low = torch.tensor(sums.decrease), torch.tensor(sums.low)
    places = [(x, y) for x, row in enumerate(sums.decrease) for y, fall in enumerate(row) if fall >= MATTERS]
    assert sums.that_matter() == places
    assert sums.matter == len(places)
    assert sums.matter_surely == sum(float(low[place]) > 0 for place in places)
    positive = value.clamp(min=0)
    order = positive.flatten().sort(descending=True).values
    assert sums.top_share.value == pytest.approx(float(order[0] / order.sum()))
    assert sums.top_three_share.value == pytest.approx(float(order[:3].sum() / order.sum()))
    layers = torch.arange(len(value))
    assert sums.depth.value == pytest.approx(float((positive.sum(1) * layers).sum() / order.sum() / (len(value) - 1)))
    assert sums.late.value == pytest.approx(float(positive[len(value) // 2 :].sum() / order.sum()))


def test_the_interval_of_the_top_head_is_the_bootstraps_over_prompts(bundled, small_settings, sums):
    swept = sweep_accuracy(bundled, small_settings.asked("+", 1, small_settings.prompts))
    baseline, right = swept.right("tokens")
    assert len(baseline) == sums.cases > sums.prompts  # of "12" both digits count, and none alone
    head = sums.top[1]
    drawn = relative_decreases(baseline, right[:, head.layer, head.head], swept.token_prompt)[1:]
    low, high = torch.nanquantile(drawn, torch.tensor([0.025, 0.975], dtype=drawn.dtype)).tolist()
    assert (head.decrease.low, head.decrease.high) == pytest.approx((low, high))


def test_a_model_that_answers_nothing_gives_a_reason(any_model, small_settings):
    with pytest.raises(NotMeasurable, match="No answer token .* is predicted right"):
        measure_heads(any_model, replace(small_settings, prompts=4), "+", 1, silent)
