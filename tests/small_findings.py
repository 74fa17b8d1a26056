"""Fixtures: findings of the bundled model with small settings, measured once."""

import pytest

from core.findings.accuracy import Asked
from core.findings.measure import measure
from core.findings.record import Findings
from core.findings.settings import FindingsSettings

SMALL = FindingsSettings(
    operations=("+", "-"),
    digits=(1, 2),
    prompts=12,
    mask_prompts=4,
    ks=(20, 5),
    filter_layers=((0, 1), (0, 9)),
    filter_sizes=(50,),
    filter_prompts=8,
    filter_draws=3,
    pairs=3,
)

QUESTIONS = Asked("sums", (("3 + 5 =", "8"), ("4 + 4 =", "9"), ("7 - 2 =", "5")), to_the_end=True)


@pytest.fixture(scope="session")
def small_settings() -> FindingsSettings:
    return SMALL


@pytest.fixture(scope="session")
def findings(bundled) -> Findings:
    return measure(bundled, SMALL, [QUESTIONS])
