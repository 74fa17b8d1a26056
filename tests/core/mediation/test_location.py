"""Where an effect sits: shares against loops over cells, their intervals, and what they say of the paper's finding."""

import math

import pytest
import torch

from core.errors import UserError
from core.mediation.location import Location, locate
from core.mediation.measure import Mediation
from core.statistics.intervals import Estimate
from tests.core.mediation.made import SUM, effects_of, pair_of, random_mediation
from tests.some import some

TWO = ("first operand", "last")
E = math.e - 1  # log(IE + 1) is 1


def mediation(*effects, roles=TWO):
    """Effects [layer, pos] of the FFNs, one table for each pair."""
    tables = [effects_of("ffn", torch.tensor(each)) for each in effects]
    return Mediation([pair_of(roles) for _ in tables], len(tables), {"ffn": tables})


def test_shares_by_hand():
    found = mediation([[E, E], [0.0, E], [-0.5, math.e**2 - 1]])
    told = locate(found, 3)  # of 3 layers only the last is late
    parts = [told.early_asked, told.early_last, told.early_lead, told.late_asked, told.late_last, told.late_lead]
    assert [each.value for each in parts] == pytest.approx([1 / 3, 2 / 3, -1 / 3, 0.0, 1.0, 1.0])
    assert (told.peak_asked, told.peak_last) == (0, 2)
    assert all(math.isnan(each.low) and math.isnan(each.high) for each in some(parts))  # one pair
    assert told.verdict == "cannot tell"


@pytest.mark.parametrize("average", ["mean", "geometric mean"])
@pytest.mark.parametrize("grouping", ["roles", "CMA"])
def test_shares_are_those_of_a_loop(average, grouping):
    groups = [SUM, SUM[1:], SUM]
    found = random_mediation(groups, 4)
    told = locate(found, 4, "attention", average, grouping=grouping)
    sums = {(half, where): 0.0 for half in ("early", "late") for where in ("asked", "last", "else")}
    for layer in range(4):
        cells: dict[str, list[float]] = {}
        for pair, effects in zip(found.pairs, found.effects["attention"], strict=True):
            for at, group in enumerate(pair.groups_by(grouping)):
                cells.setdefault(group, []).append(float(effects.effect[layer, at]))
        for group, values in some(cells.items()):
            logs = [math.log1p(value) for value in values]
            mean = math.log1p(sum(values) / len(values)) if average == "mean" else sum(logs) / len(logs)
            where = "asked" if "operand" in group else "last" if group == "last" else "else"
            sums["early" if layer < 2 else "late", where] += max(mean, 0.0)
    for half, mine in (("early", (told.early_asked, told.early_last)), ("late", (told.late_asked, told.late_last))):
        whole = sum(sums[half, where] for where in ("asked", "last", "else"))
        assert mine[0].value == pytest.approx(sums[half, "asked"] / whole, rel=1e-4)
        assert mine[1].value == pytest.approx(sums[half, "last"] / whole, rel=1e-4)
    for each in (told.early_asked, told.early_lead, told.late_last, told.late_lead):
        assert each.low <= each.value <= each.high


def test_pairs_that_are_alike_have_narrow_intervals_and_pairs_that_are_not_cannot_tell():
    early = [[E, 0.0], [0.0, E]]
    late = [[0.0, E], [E, 0.0]]
    alike = locate(mediation(*[early] * 8), 2)
    assert (alike.early_lead.low, alike.early_lead.high) == (1.0, 1.0)
    assert alike.verdict == "agrees"
    assert locate(mediation(*[late] * 8), 2).verdict == "differs"
    mixed = locate(mediation(early, late, early, late, early, late), 2)
    assert mixed.early_lead.low < 0 < mixed.early_lead.high
    assert mixed.verdict == "cannot tell"


def test_one_half_may_agree_while_the_other_differs():
    of = Estimate(0.5, 0.4, 0.6)
    below, above, around = Estimate(-0.2, -0.3, -0.1), Estimate(0.2, 0.1, 0.3), Estimate(0.1, -0.1, 0.3)
    wanted = {
        (above, above): "agrees",
        (above, below): "differs",
        (below, around): "differs",
        (above, around): "cannot tell",
    }
    for (early, late), verdict in some(wanted.items()):
        assert Location(of, of, early, of, of, late, 0, 1).verdict == verdict


def test_the_same_seed_gives_the_same_interval():
    found = random_mediation([SUM] * 5, 4)
    assert locate(found, 4) == locate(found, 4)
    assert locate(found, 4).early_lead != locate(found, 4, seed=1).early_lead


def test_other_groups():
    found = random_mediation([SUM] * 3, 4)
    assert locate(found, 4, groups=("subject",)) is None
    assert locate(found, 4, groups=("operator",)).early_asked != locate(found, 4).early_asked
    with pytest.raises(UserError, match="roles, CMA"):
        locate(found, 4, grouping="colour")
