"""Mediation of a findings file, against the page's measurement."""

import pytest

from core.findings.mediation import TASKS
from core.mediation.groups import DIFFERING
from core.mediation.importance import half_shares
from core.mediation.study import DrawnPairs, measure_pairs
from core.mediation.summary import finding


@pytest.mark.parametrize("task", TASKS)
def test_mediation_is_the_pages_measurement(findings, bundled, small, task):
    mine = findings.mediation_of(task)
    direct = measure_pairs(bundled, DrawnPairs(kind=task, count=small.pairs, operations=("+", "-")))
    assert mine.late_importance.value == pytest.approx(direct.importance["ffn"].geometric.value)
    shown = finding(direct.table, bundled.n_layers, "ffn", "geometric mean", DIFFERING[task])
    for name in ("early_operands", "early_last", "late_operands", "late_last"):
        figure = getattr(mine, name)
        assert figure.value == pytest.approx(getattr(shown, name), abs=1e-6)
        assert figure.low <= figure.value <= figure.high
    arithmetic = half_shares(direct.found, bundled.n_layers, DIFFERING[task], average="mean")
    shown = finding(direct.table, bundled.n_layers, "ffn", "mean", DIFFERING[task])
    assert arithmetic.late_last.value == pytest.approx(shown.late_last, abs=1e-5)
