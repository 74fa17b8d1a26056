"""Pages and runs without a browser: the plan of what a page asks, and results that are opened on a page."""

import json
import shutil
import time

import pytest
from streamlit.testing.v1 import AppTest

from core.ablation.study import MaskKeepSet, ShallowSet
from core.chain.study import NeuronSearch
from core.heads.study import OwnSweep, SetSweep
from core.mediation.study import DrawnPairs
from core.plans.folder import ResultsFolder
from core.plans.plan import Plan, Task, read_plan
from core.plans.run import run_plan
from pages.arithmetic_heads.settings import OwnSettings, SetSettings
from tests.core.plans.small_plan import Silent
from tests.some import some

HEADS, CHAIN, MEDIATION = (f"pages/{name}/page.py" for name in ("arithmetic_heads", "logic_chain", "mediation"))
SWEEP = SetSweep(("+",), (1,), count=7)
PLAN = Plan(
    tuple(
        map(
            Task.of,
            (
                SWEEP,
                OwnSweep(("9-4=",)),
                NeuronSearch("6*7=", 9),
                DrawnPairs("same result", 4, sites=("ffn",)),
                SWEEP,
                MaskKeepSet(("+",), (1,), 3, ((5, 2),)),
                ShallowSet(1, 20, (8, 12), 1, count=2),
            ),
        )
    )
)


@pytest.fixture(scope="module")
def results(bundled, tmp_path_factory) -> ResultsFolder:
    return run_plan(bundled, PLAN, tmp_path_factory.mktemp("night") / "results", Silent())


def opened(page: str, folder="", **link) -> AppTest:
    app = AppTest.from_file("../../app.py", default_timeout=60)
    app.query_params.update({name: str(value) for name, value in {"results": folder, **link}.items() if value})
    app = app.run().switch_page(page)
    app.query_params.update({name: str(value) for name, value in {"results": folder, **link}.items() if value})
    return settled(app.run())


def settled(app: AppTest) -> AppTest:
    end = time.monotonic() + 120
    while app.get("progress") or any("Another computation" in i.value for i in app.info):
        assert time.monotonic() < end
        time.sleep(0.2)
        app.run()
    assert not app.exception
    return app


def text(app) -> str:
    return "\n".join(m.value for m in [*app.markdown, *app.caption])


def press(app, label: str) -> AppTest:
    next(b for b in app.button if b.label == label).click().run()
    return settled(app)


def plans(app, ask: bool = True) -> list[Plan]:
    """Those that the page shows, after a press of the button."""
    if ask:
        press(app, "Run this without a browser")  # the first one is the page's own
    return [read_plan(code.value) for code in app.code if code.value.startswith("[[")]


def test_the_plan_of_a_page_is_what_it_asks():
    app = opened(HEADS)
    assert not plans(app, ask=False)
    assert [plan.tasks[0].settings for plan in plans(app)] == [SetSweep()]
    app.slider(key="count").set_value(40)
    app.number_input(key="seed").set_value(3)
    assert [plan.tasks[0].settings for plan in plans(app)] == [SetSweep(count=40, seed=3)]
    command = next(code.value for code in app.code if "python -m core run" in code.value)
    assert "Press **Run**" in app.info[0].value  # the plan starts nothing
    assert command == "python -m core run plan.toml --model bundled --precision fp32 --out results/"


def test_the_plan_of_own_prompts_has_their_positions():
    app = opened(HEADS, source="Your own prompts")
    app.text_area(key="own").set_value("3+5=\n7-2=")
    assert plans(app)[0].tasks[0] == Task("sweep-prompts", OwnSweep())


def test_plans_of_the_other_pages():
    assert plans(opened(CHAIN, chain_prompt="8/2=", k=30))[0].tasks == (Task("neurons", NeuronSearch("8/2=", 30)),)
    assert plans(opened(MEDIATION))[0].tasks == (Task("mediation", DrawnPairs(templates=(3,))),)


def test_settings_of_a_page_have_the_fields_of_core():
    assert SetSettings().to_dict() == vars(SetSweep())
    assert OwnSettings().to_dict() == vars(OwnSweep())
    assert set(SetSettings.widgets()) == set(vars(SetSweep()))


def test_a_sweep_is_shown_as_if_it_was_measured_here(bundled, results):
    app = opened(HEADS, results.path)
    assert "Opened from `results/1-sweep`" in text(app)
    assert f"on `{results.origin.machine}`" in text(app)
    assert "Without head" in text(app)
    table = app.dataframe[0].value
    baseline, ablated = results.finished(0).kept.accuracy(scoring="tokens")
    assert table["all"].iloc[0] == pytest.approx(baseline)
    assert table["all"].iloc[1] == pytest.approx(float(ablated.min()))
    assert [plan.tasks[0].settings for plan in plans(app, ask=False)] == [SWEEP]


def test_one_of_several_is_chosen(results):
    app = opened(HEADS, results.path)
    app.selectbox(key="results of heads").set_value("2-sweep-prompts").run()
    assert "Opened from `results/2-sweep-prompts`" in text(settled(app))
    assert "`9-4=`" in text(app)
    app = opened(HEADS, results.entry(4))
    assert "Opened from `results/5-sweep`" in text(app)


def test_a_run_takes_the_place_of_opened_results(results):
    app = opened(HEADS, results.path)
    app.slider(key="count").set_value(5)
    press(app, "Run")
    assert "Opened from" not in text(app)
    assert "Without head" in text(app)


def test_neurons_are_shown_as_if_they_were_measured_here(bundled, results):
    app = opened(CHAIN, results.path)
    here = opened(CHAIN, chain_prompt="6*7=", k=9)
    assert "Opened from `results/3-neurons`" in text(app)
    assert "Opened from" not in text(here)
    tables = [[one.dataframe[n].value for n in range(2)] for one in (app, here)]
    for mine, theirs in some(zip(*tables, strict=True)):
        assert mine.equals(theirs)
    said = [m.value for m in app.markdown]
    assert [m.value for m in here.markdown if "nats" in m.value] == [m for m in said if "nats" in m]


def test_whole_sets_are_shown_as_if_they_were_measured_here(results):
    app = opened(CHAIN, results.path)
    assert "Opened from `results/6-mask-keep`" in text(app)
    assert "Opened from `results/7-shallow`" in text(app)
    cases = results.finished(5).kept.mask_keep.cases
    assert f"The {len(cases.prompts)} answers have {len(cases)} tokens" in text(app)


def test_mediation_is_shown_as_if_it_was_measured_here(results):
    app = opened(MEDIATION, results.path)
    assert "Opened from `results/4-mediation`" in text(app)
    assert "same result" in text(app)


def test_what_cannot_be_opened_is_said(bundled, results, tmp_path):
    app = opened(HEADS, tmp_path)
    assert "is not a results folder" in app.error[0].value
    assert "Press **Run**" in app.info[0].value
    other = shutil.copytree(results.path, tmp_path / "other")
    about = json.loads((other / "results.json").read_text())
    (other / "results.json").write_text(json.dumps({**about, "fingerprint": "x" * 64}))
    app = opened(HEADS, other)
    assert "holds results of another model" in app.error[0].value
    assert "Opened from" not in text(app)
    alone = opened(MEDIATION, results.entry(0))
    assert "nothing for this page: they are" in alone.error[0].value


def test_a_result_that_is_cut_off_is_said(results, tmp_path):
    broken = shutil.copytree(results.path, tmp_path / "results")
    file = broken / "1-sweep" / "result.safetensors"
    file.write_bytes(file.read_bytes()[:-7])
    app = opened(HEADS, broken)
    assert "cut off" in app.error[0].value
    assert "run the plan again" in app.error[0].value


def test_folders_are_not_read_where_others_reach_the_server(results, monkeypatch):
    monkeypatch.setattr("pages.shared.permissions.is_locked", lambda: True)
    app = opened(HEADS, results.path)
    assert "Off because other computers" in app.error[0].value
    assert app.text_input(key="results").disabled
    assert "Opened from" not in text(app)
