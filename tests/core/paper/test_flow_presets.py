"""Presets of causal mediation are settings that can be drawn."""

import pytest

from core.mediation.effect import AVERAGES, INDIRECT_EFFECT
from core.mediation.groups import GROUPINGS
from core.mediation.study import DrawnPairs
from core.mediation.tasks import Task
from core.paper.presets import presets_of


@pytest.mark.parametrize("one", presets_of("causal_mediation"), ids=lambda one: one.name)
def test_the_pairs_of_cma_are_settings_that_can_be_drawn(one, bundled):
    pairs = DrawnPairs(**one.settings["pairs"])
    pairs.check(bundled)
    assert pairs.metric == INDIRECT_EFFECT
    task = Task(pairs.kind, pairs.operations, forms=pairs.forms, template_set=pairs.template_set)
    assert pairs.count == 5 * task.n_templates * len(pairs.operations)
    assert task.rows == tuple(range(6))
    assert one.settings["shown"]["average"] in AVERAGES
    assert one.settings["shown"]["grouping"] in GROUPINGS
