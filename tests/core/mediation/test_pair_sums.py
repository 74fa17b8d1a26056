"""Sums within pairs: their averages against loops, whatever pairs a sample holds."""

import math

import numpy as np
import pytest
import torch

from core.mediation.measure import Mediation
from core.mediation.pair_sums import pair_sums
from tests.core.mediation.made import SUM, effects_of, pair_of, random_mediation
from tests.some import some

ORDER = ["others", "first operand", "operator", "second operand", "last"]


def test_averages_of_samples_are_those_of_loops():
    found = random_mediation([SUM, SUM[1:], SUM], 3)
    groups = [pair.groups for pair in found.pairs]
    sums = pair_sums(found, "ffn", groups, ORDER)
    assert sums.count.tolist() == [[3, 1, 1, 1, 1], [2, 1, 1, 1, 1], [3, 1, 1, 1, 1]]
    weights = torch.tensor([[1.0, 1, 1], [0, 3, 0], [2, 0, 1]], dtype=torch.float64)
    for average in ("mean", "geometric mean"):
        logs = sums.logs(average, weights)
        for sample, drawn in enumerate(some(weights.int().tolist())):
            for column, group in enumerate(ORDER):
                values = [
                    float(e.effect[2, at])
                    for e, mine, times in zip(found.effects["ffn"], groups, drawn, strict=True)
                    for at, name in enumerate(mine)
                    if name == group
                    for _ in range(times)
                ]
                wanted = math.log1p(np.mean(values)) if average == "mean" else np.mean(np.log1p(values))
                assert logs[sample, 2, column].item() == pytest.approx(wanted, rel=1e-4, abs=1e-6)


def test_an_infinite_effect_spoils_only_the_samples_that_hold_its_pair():
    roles = ("first operand", "second operand", "others")
    effects = [effects_of("ffn", torch.tensor([[1.0, 1.0, value]])) for value in (math.inf, 3.0)]
    found = Mediation([pair_of(roles)] * 2, 2, {"ffn": effects})
    sums = pair_sums(found, "ffn", [pair.groups for pair in found.pairs], ["first operand", "second operand", "last"])
    with_it, without = sums.logs("mean", torch.tensor([[1.0, 1.0], [0.0, 2.0]], dtype=torch.float64))[:, 0, 2]
    assert with_it > 600
    assert without.item() == pytest.approx(math.log(4))


def test_a_group_without_positions_has_no_value():
    found = random_mediation([SUM], 2)
    sums = pair_sums(found, "ffn", [pair.groups for pair in found.pairs], [*ORDER, "subject"])
    assert sums.logs("mean", torch.ones(1, 1, dtype=torch.float64))[0, :, 5].isnan().all()
