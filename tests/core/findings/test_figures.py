"""Figures: intervals as they are written to a file, and numbers that are not there."""

import math

import pytest
import torch

from core.errors import UserError
from core.findings.figures import Figure, NotMeasurable, of_samples, share_of
from core.statistics.intervals import Estimate, rate


def test_an_estimate_and_back():
    assert Figure.of(Estimate(0.5, 0.4, 0.6)) == Figure(0.5, 0.4, 0.6)
    assert Figure(0.5, 0.4, 0.6).estimate == Estimate(0.5, 0.4, 0.6)
    alone = Figure.of(Estimate(0.5, math.nan, math.nan))
    assert alone == Figure(0.5, None, None)
    assert math.isnan(alone.estimate.low)
    assert Figure.of(Estimate(math.nan, math.nan, math.nan)) is None


def test_percentages():
    assert Figure(0.841, 0.774, 0.914).percent() == "84% [77, 91]"
    assert Figure(0.841, 0.774, 0.914).percent(1) == "84.1% [77.4, 91.4]"
    assert Figure(-0.02, None, None).percent() == "-2%"


def test_a_share_has_wilsons_interval():
    assert share_of(7, 9).estimate == rate(7, 9)


def test_nothing_to_divide_by_is_a_reason_for_the_person():
    with pytest.raises(NotMeasurable, match="no cases"):
        share_of(0, 0)
    with pytest.raises(UserError, match="nothing is right"):
        of_samples(torch.full((10,), torch.nan), 9, "nothing is right")
