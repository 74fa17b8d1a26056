"""Bootstrap intervals: what is drawn, and the percentiles of draws."""

import numpy as np
import pytest
import torch

from core.statistics.intervals import (
    N_RESAMPLES,
    bounds,
    estimate,
    means,
    paired_decrease,
    rate,
    relative_decreases,
    samples,
)
from tests.some import some


def test_samples_are_the_pairs_themselves_and_draws_of_as_many():
    drawn = samples(7, seed=1)
    assert drawn.shape == (N_RESAMPLES + 1, 7)
    assert drawn[0].tolist() == [1.0] * 7
    assert drawn.sum(1).unique().tolist() == [7.0]
    assert torch.equal(drawn, samples(7, seed=1))
    assert not torch.equal(drawn, samples(7, seed=2))
    assert drawn[1:].mean().item() == pytest.approx(1.0)
    assert drawn[1:].var(0).mean().item() == pytest.approx(6 / 7, rel=0.1)  # of a multinomial draw


def test_the_interval_of_a_mean_is_about_that_of_the_normal():
    values = torch.from_numpy(np.random.default_rng(0).normal(size=400))
    means = samples(400) @ values / 400
    found = estimate(means, 400)
    error = float(values.std()) / 20
    assert found.value == pytest.approx(float(values.mean()))
    assert found.low == pytest.approx(found.value - 1.96 * error, abs=0.35 * error)
    assert found.high == pytest.approx(found.value + 1.96 * error, abs=0.35 * error)


def test_one_pair_has_no_interval_and_missing_values_are_left_out():
    assert bounds(torch.ones(5, 3), 1).isnan().all()
    values = torch.tensor([[9.0, 9.0], [1.0, torch.nan], [2.0, 4.0], [3.0, 4.0]])
    low, high = bounds(values, 4)
    assert low.tolist() == pytest.approx([1.05, 4.0])
    assert high.tolist() == pytest.approx([2.95, 4.0])


def test_a_rate_has_wilsons_interval():
    found = rate(84, 100)
    z, n, p = 1.959964, 100, 0.84
    middle = (p + z * z / (2 * n)) / (1 + z * z / n)
    half = z / (1 + z * z / n) * (p * (1 - p) / n + z * z / (4 * n * n)) ** 0.5
    assert (found.value, found.low, found.high) == pytest.approx((0.84, middle - half, middle + half), abs=1e-6)
    assert rate(0, 20).low == 0.0
    assert rate(0, 20).high > 0.1
    assert np.isnan(rate(0, 0).value)


def test_intervals_of_rates_cover_the_true_one():
    draws = np.random.default_rng(0).binomial(60, 0.9, size=2000)
    counts = {int(n): rate(int(n), 60) for n in np.unique(draws)}
    inside = np.mean([counts[int(n)].low <= 0.9 <= counts[int(n)].high for n in draws])
    assert 0.93 <= inside <= 0.97


def test_relative_decreases_are_those_of_a_loop_over_prompts():
    generator = np.random.default_rng(3)
    baseline = torch.from_numpy(generator.random(30) < 0.8)
    intervened = torch.from_numpy(generator.random((30, 2, 3)) < 0.5)
    units = [5 * (i // 2) for i in range(30)]  # two answer tokens a prompt; numbers need not follow each other
    found = relative_decreases(baseline, intervened, units, seed=4)
    drawn = samples(15, seed=4)
    assert found.shape == (N_RESAMPLES + 1, 2, 3)
    for sample in (0, 1, 77, N_RESAMPLES):
        cases = [case for prompt in range(15) for case in (2 * prompt, 2 * prompt + 1) * int(drawn[sample, prompt])]
        before, after = baseline[cases].double().mean(), intervened[cases].double().mean(0)
        assert torch.allclose(found[sample], (before - after) / before)


def test_a_paired_interval_is_narrower_where_the_runs_agree():
    baseline = torch.arange(100) < 80
    agreeing = torch.arange(100) < 76  # wrong in four more cases and right in no other
    found = estimate(relative_decreases(baseline, agreeing), 100)
    assert found.value == pytest.approx(0.05)
    assert 0.0 < found.low < 0.05 < found.high < 0.12


def test_nothing_right_has_no_decrease():
    found = relative_decreases(torch.zeros(4, dtype=torch.bool), torch.ones(4, 2, dtype=torch.bool))
    assert found.isnan().all()


def test_means_are_those_of_a_loop_over_units():
    values = torch.tensor([[1.0, 5.0], [2.0, torch.nan], [6.0, 7.0], [3.0, torch.nan]])
    found = means(values, units=[4, 4, 9, 2], seed=5)
    assert found[0].tolist() == pytest.approx([3.0, 6.0])
    of_unit = {2: [3], 4: [0, 1], 9: [2]}
    for sample, counts in zip(some(found[1:40]), samples(3, seed=5)[1:40].tolist(), strict=True):
        drawn = [case for cases, times in zip(of_unit.values(), counts, strict=True) for case in cases * int(times)]
        assert float(sample[0]) == pytest.approx(float(values[drawn, 0].mean()))
    assert found[:, 1].isnan().any()  # resamples of the unit that has no number there
    assert torch.equal(means(values[:, 0]), means(values[:, 0], units=[0, 1, 2, 3]))


def test_a_paired_decrease_of_probabilities():
    """Means below 1 are divided by themselves, and a unit's cases are drawn together."""
    generator = torch.Generator().manual_seed(0)
    baseline, without = torch.rand(40, generator=generator), torch.rand(40, generator=generator) / 2
    units = [i // 2 for i in range(40)]
    found = paired_decrease(baseline, without, units)
    assert found.value == pytest.approx(1 - float(without.sum() / baseline.sum()))
    assert found.low < found.value < found.high
    small = paired_decrease(baseline / 1000, without / 1000, units)
    assert (small.low, small.high) == pytest.approx((found.low, found.high), rel=1e-5)
    assert np.isnan(paired_decrease(baseline, without, [0] * 40).low)
