"""Mediation of a findings file, against the page's measurement."""

import pytest

from core.findings.mediation import TASKS
from core.mediation.groups import DIFFERING
from core.mediation.location import locate
from core.mediation.study import DrawnPairs, measure_pairs


@pytest.mark.parametrize("task", TASKS)
def test_mediation_is_the_pages_measurement(findings, bundled, small_settings, task):
    mine = findings.mediation_of(task)
    direct = measure_pairs(bundled, DrawnPairs(kind=task, count=small_settings.pairs, operations=("+", "-")))
    assert mine.late_importance.value == pytest.approx(direct.importance["ffn"].geometric.value)
    where = locate(direct.found, bundled.n_layers, "ffn", "geometric mean", DIFFERING[task])
    for name in ("early_asked", "early_last", "early_lead", "late_asked", "late_last", "late_lead"):
        assert getattr(mine, name).value == pytest.approx(getattr(where, name).value)
        assert getattr(mine, name).low == pytest.approx(getattr(where, name).low)
    assert mine.verdict == where.verdict
