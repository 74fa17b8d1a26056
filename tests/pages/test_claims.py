"""Numbers with their intervals, and how a finding of the paper stands beside them."""

import math

import pytest

from core.mediation.location import Location
from core.statistics.intervals import Estimate
from pages.mediation.sentences import beside_paper
from pages.shared.claims.estimates import lead, share, with_interval
from pages.shared.words import three_digits

NONE = Estimate(0.5, math.nan, math.nan)
HALF = Estimate(0.5, 0.25, 0.75)


def test_a_share_is_followed_by_its_interval():
    assert share(Estimate(0.812, 0.7431, 0.88)) == "81.2% [74.3, 88.0]"
    assert share(Estimate(1.0, 0.9, 1.0)) == "100% [90.0, 100]"
    assert share(Estimate(-0.1, -0.25, 0.0)) == "-10.0% [-25.0, 0]"
    assert share(NONE) == "50.0%"


def test_a_lead_is_in_points():
    assert lead(Estimate(0.641, -0.05, 0.779)) == "64.1 points [−5.00, 77.9]"
    assert lead(NONE) == "50.0 points"


def test_other_numbers_have_a_unit_behind_the_interval():
    assert with_interval(Estimate(1.5, 1.25, 2.0), three_digits, "nats") == "1.50 [1.25, 2.00] nats"
    assert with_interval(NONE, three_digits) == "0.500"


@pytest.mark.parametrize(
    ("early", "late", "said"),
    [
        (HALF, HALF, "**agree**"),
        (HALF, Estimate(-0.5, -0.75, -0.25), "**differ**"),
        (Estimate(0.1, -0.1, 0.3), HALF, "these 12 pairs **cannot tell**"),
    ],
)
def test_the_papers_finding_stands_beside_numbers(early, late, said):
    found = Location(HALF, HALF, early, HALF, HALF, late, 0, 3)
    told = beside_paper(found, 12, "layers 0 to 1", "layers 2 to 3")
    assert said in told
    assert told.startswith("The paper (CMA): early FFNs act at the operands")
    assert f"by {lead(early)} in layers 0 to 1" in told
    assert f"by {lead(late)} in layers 2 to 3" in told


def test_one_pair_tells_nothing():
    told = beside_paper(Location(*[NONE] * 6, 0, 3), 1, "layers 0 to 1", "layers 2 to 3")
    assert "cannot be told" in told
    assert "points" not in told
