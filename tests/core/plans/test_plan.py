"""Plans: read strictly, written as they are read."""

import pytest

from core.errors import UserError
from core.heads.study import OwnSweep, SetSweep
from core.mediation.study import DrawnPairs
from core.plans.analyses import ANALYSES
from core.plans.plan import Plan, Task, read_plan, read_plan_file
from tests.some import some


def test_every_analysis_comes_back():
    plan = Plan(tuple(Task.of(each.settings()) for each in ANALYSES.values()))
    assert read_plan(plan.to_toml()) == plan
    assert [task.what for task in plan.tasks] == list(ANALYSES)


def test_what_is_left_out_has_its_default():
    text = '[[analysis]]\nwhat = "sweep"\ncount = 7\n[[analysis]]\nwhat = "mediation"\ntemplates = [1]'
    plan = read_plan(text)
    assert [task.settings for task in plan.tasks] == [SetSweep(count=7), DrawnPairs(templates=(1,))]


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("x =", "This plan is not TOML: Invalid value"),
        ("", "has no analyses"),
        ("analysis = 3", "has no analyses"),
        ("[analysis]", "has no analyses"),
        ("[[sweep]]", "unknown field 'sweep'"),
        ("[[analysis]]", "Analysis 1 of this plan lacks 'what'. Use one of sweep, "),
        ("[[analysis]]\nwhat = 3", "unknown kind, '3'"),
        ("[[analysis]]\nwhat = 'sweeps'", "unknown kind, 'sweeps'"),
        ("[[analysis]]\nwhat = 'sweep'\ncounts = 5", "unknown field 'counts'. The settings of sweep are operations, "),
        ("[[analysis]]\nwhat = 'sweep'\n[[analysis]]\nwhat = 'sweep'\ncount = '5'", "Analysis 2 .*'count' is not a wh"),
        ("[[analysis]]\nwhat = 'sweep'\ncount = true", "'count' is not a whole number"),
        ("[[analysis]]\nwhat = 'sweep'\ncount = 0", "'count' is less than 1"),
        ("[[analysis]]\nwhat = 'sweep'\ncount = inf", "'count' is not a whole number"),
        ("[[analysis]]\nwhat = 'sweep'\noperations = [2026-11-21]", "'operations' has a date"),
        ("[[analysis]]\nwhat = 'mediation'\nsites = ['x']", "entry 1 of 'sites' is not 'embedding'"),
        ("[[analysis]]\nwhat = 'neurons'\nheads = [[1]]", "lacks entry 2"),
        ("x = " + "[" * 5000, "nested too deeply|not TOML"),
    ],
)
def test_what_is_wrong_is_said(text, told):
    with pytest.raises(UserError, match=told):
        read_plan(text)


def test_files_that_are_no_plan(tmp_path):
    with pytest.raises(UserError, match="cannot be read"):
        read_plan_file(tmp_path / "absent.toml")
    for content, told in some(
        [(b"\xff\xfe", "UTF-8"), (b"#" * (2**20 + 1), "at most 1 MB"), (b"x", "plan.toml of .*not TOML")]
    ):
        (tmp_path / "plan.toml").write_bytes(content)
        with pytest.raises(UserError, match=told):
            read_plan_file(tmp_path / "plan.toml")


def test_a_plan_is_checked_by_the_model(bundled):
    Plan((Task.of(SetSweep(count=1)),)).check(bundled)
    with pytest.raises(UserError, match=r"Analysis 2 of the plan \(sweep-prompts\): There is no prompt"):
        Plan((Task.of(SetSweep(count=1)), Task.of(OwnSweep(())))).check(bundled)
