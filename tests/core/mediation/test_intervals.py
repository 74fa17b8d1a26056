"""Bootstrap intervals: what is drawn, and the percentiles of draws."""

import numpy as np
import pytest
import torch

from core.mediation.intervals import N_RESAMPLES, bounds, estimate, samples


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
