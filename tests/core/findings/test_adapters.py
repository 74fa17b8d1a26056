"""Adapters of a findings file, against the series that ships."""

import pytest

from core.findings.adapters import measure_adapters
from core.findings.figures import NotMeasurable
from core.lora.series import shipped_series
from tests.some import some


def test_adapters_are_those_that_ship(findings, bundled, tmp_path):
    (series,) = shipped_series(bundled)
    for about, mine in zip(some(series.adapters), findings.adapters, strict=True):
        assert mine.layer == about.layer
        assert mine.accuracy.value == pytest.approx(about.accuracy["all"])
        assert mine.prompts == about.n_test["all"]
        assert mine.accuracy.low < mine.accuracy.value < mine.accuracy.high
    with pytest.raises(NotMeasurable, match="No LoRA adapter"):
        measure_adapters(bundled, tmp_path)
