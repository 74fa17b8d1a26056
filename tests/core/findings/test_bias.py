"""Skew of professions in a findings file, against the bias that the page measures."""

import pytest

from core.bias.measure import measure_bias, paper_words
from core.findings.bias import measure_skew
from core.progress import silent


def test_skew_is_the_bias_of_the_papers_words(bundled):
    found = measure_skew(bundled, silent)
    direct = measure_bias(bundled, paper_words())
    assert found.total.value == pytest.approx(direct.total, rel=1e-5)
    assert (found.woman.value, found.man.value) == pytest.approx(direct.by_group, rel=1e-5)
    assert found.size.value == pytest.approx(direct.size, rel=1e-5)
    assert found.professions == len(paper_words().words)
