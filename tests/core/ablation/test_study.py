"""Whole sets, from settings."""

import pytest

from core.ablation.study import SHALLOW_SETS, MaskKeepSet, ShallowSet, mask_keep_tables, shallow_tables
from core.ablation.whole_set import Filter, measure_deep_set, measure_shallow_set
from core.errors import UserError
from core.kept.records import same
from core.prompts.arithmetic import make_prompts
from core.vocabulary.concepts import SHORT_LIST

DEEP = MaskKeepSet(("+",), (1,), 4, ((5, 2),))
SHALLOW = ShallowSet(1, 20, (3, 8), 1, count=2)


def test_deep_neurons_of_a_set(bundled):
    DEEP.check(bundled)
    found = DEEP.run(bundled)
    assert same(found, measure_deep_set(bundled, [(5, 2)], make_prompts(("+",), (1,), count=4)))
    tables = mask_keep_tables(found)
    assert set(tables["decreases"]["measure"]) >= {"mask", "keep", "coefficient"}
    assert len(tables["cases"]) == int(found.mask_keep.measured.sum()) * len(found.mask_keep.ks)
    assert found.mask_keep.measured.any()


def test_shallow_neurons_of_a_set(bundled):
    SHALLOW.check(bundled)
    found = SHALLOW.run(bundled)
    prompts = make_prompts(("+", "-"), (1,), count=2)
    assert same(found, measure_shallow_set(bundled, prompts, Filter(2, 20, SHORT_LIST, (3, 8), 1, "plus")))
    assert shallow_tables(found)["filters"]["more_than"].tolist() == [3, 8]


def test_own_concepts_count_in_place_of_a_list():
    assert ShallowSet(concepts=(5, 7)).filter().concepts == (5, 7)
    assert {len(ShallowSet(prompt_set=name, count=3).prompts()) for name in SHALLOW_SETS} == {3, 6, 12}


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (MaskKeepSet(), "at least one head"),
        (MaskKeepSet(heads=((99, 0),)), "99"),
        (MaskKeepSet(operations=(), heads=((5, 2),)), "Choose at least one"),
        (ShallowSet(more_than=()), "whole numbers for M"),
        (ShallowSet(last=7), "no shallow layer here: choose 0 to 6"),
        (ShallowSet(top=10**6), "cannot be looked at"),
        (ShallowSet(signs="minus"), "no choice of signs"),
        (ShallowSet(prompt_set="all"), "There is no set 'all'"),
        (ShallowSet(counted="all"), "all"),
    ],
)
def test_settings_that_the_model_cannot_take(bundled, asked, told):
    with pytest.raises(UserError, match=told):
        asked.check(bundled)
