"""The page Arithmetic heads, without a browser."""

import json
import time

import pytest
from streamlit.testing.v1 import AppTest

from tests.some import some

PAGE = "pages/arithmetic_heads/page.py"


@pytest.fixture
def app():
    app = AppTest.from_file("../../app.py", default_timeout=60).run()
    return app.switch_page(PAGE).run()


def run_and_wait(app):
    next(b for b in app.button if b.label == "Run").click().run()
    return wait(app)


def wait(app):
    """Runs until nothing is computed any more."""
    end = time.monotonic() + 120
    while app.get("progress") or any("Another computation" in i.value for i in app.info):
        assert time.monotonic() < end
        time.sleep(0.2)
        app.run()
    return app


def texts(app) -> str:
    return "\n".join(m.value for m in app.markdown)


def test_says_what_to_press(app):
    assert not app.exception
    assert app.title[0].value == "Arithmetic heads"
    assert "Press **Run**" in app.info[0].value


def test_a_sweep(app):
    app.slider(key="count").set_value(5)
    run_and_wait(app)
    assert not app.exception
    assert not app.error
    assert "Without head" in texts(app)
    assert "(40)" in texts(app)
    assert "% of 40 to " in texts(app)
    labels = json.loads(app.dataframe[0].proto.columns)
    assert [labels[c]["label"] for c in ("all", "+")] == ["all (of 40)", "+ (of 10)"]
    table = app.dataframe[0].value
    assert list(table.columns) == ["head", "all", "+", "-", "*", "/"]
    assert table["head"].iloc[0] == "all heads"
    assert len(table) == 13
    assert table["all"].iloc[0] == pytest.approx(table[["+", "-", "*", "/"]].iloc[0].mean())
    assert table["all"].iloc[1:].is_monotonic_increasing
    assert app.query_params["run"] in ("1", ["1"])


def test_one_operation_and_probability(app):
    app.slider(key="count").set_value(5)
    run_and_wait(app)
    app.button_group(key="shown").set_value("-").run()
    assert "the - prompts (10)" in texts(app)
    app.button_group(key="measure").set_value("probability").run()
    assert "probability over the - prompts" in texts(app)
    assert not app.exception


def test_own_prompts(app):
    app.button_group(key="source").set_value("Your own prompts").run()
    app.text_area(key="own").set_value("3+5=\n9-2=")
    run_and_wait(app)
    assert not app.exception
    assert "`3+5=` → `8`" in texts(app)
    assert "your prompts (2)" in texts(app)


@pytest.mark.parametrize(
    ("metric", "words"),
    [
        ("log-probability", "log-probability of the prediction over your prompts (2) changes from"),
        ("logit difference", "logits, a decrease of"),
        ("exact match", "exact match of the prediction over your prompts (2) falls from"),
    ],
)
def test_the_measured_quantity_of_own_prompts(app, metric, words):
    app.button_group(key="source").set_value("Your own prompts").run()
    app.selectbox(key="metric").set_value(metric)
    run_and_wait(app)
    assert not app.exception
    assert words in texts(app)


@pytest.mark.parametrize(("own", "words"), [("", "no prompt"), ("3 + zzyzx =", "zzyzx"), ("3 " * 400, "at most")])
def test_bad_own_prompts(app, own, words):
    app.button_group(key="source").set_value("Your own prompts").run()
    app.text_area(key="own").set_value(own)
    run_and_wait(app)
    assert not app.exception
    assert words in app.error[0].value


def test_nothing_chosen(app):
    app.button_group(key="operations").set_value([])
    run_and_wait(app)
    assert not app.exception
    assert "at least one operation" in app.error[0].value


def test_heads_off_before_and_after(app, head_names):
    app.multiselect(key="heads").set_value(head_names[:2]).run()
    without = f"without {' and '.join(head_names[:2])}"
    wait(app)
    assert not app.exception
    assert not app.error
    answers = app.dataframe[0].value
    assert list(answers.columns) == ["prompt", "all heads", without, "the answer"]
    assert answers["all heads"].iloc[0] == "8"
    accuracy = app.dataframe[1].value
    assert list(accuracy.index) == ["2D+", "2D-", "2D*", "2D/"]
    assert all(cell.endswith("% of 50") for cell in some(accuracy.to_numpy().flatten()))
    changed = (answers["all heads"] != answers[without]).sum()
    assert changed > 0
    assert f"{changed} of {len(answers)} answers change" in texts(app)


@pytest.mark.parametrize("state", ["stopped", "failed"])
def test_a_stopped_or_failed_question_is_not_asked_again_by_itself(app, head_names, state):
    app.multiselect(key="heads").set_value(head_names[:1]).run()
    wait(app)
    job = app.session_state["slot before after"].job
    job.state, job.result, job.error = state, None, "it failed"
    app.run().run()
    assert app.session_state["slot before after"].job is job
    assert not app.exception
    next(b for b in app.button if b.label == "Compute again").click().run()
    wait(app)
    assert app.session_state["slot before after"].job.state == "done"
    assert "answers change" in texts(app)
    assert not app.error


def test_bad_prompt_among_the_questions(app, head_names):
    app.multiselect(key="heads").set_value(head_names[:1]).run()
    wait(app).text_area(key="questions").set_value("3+5=\nzzyzx").run()
    wait(app)
    assert not app.exception
    assert "zzyzx" in app.error[0].value
    assert app.dataframe[0].value["prompt"].tolist() == ["3+5="]  # the others are asked all the same


def test_one_head_by_digits_and_kinds(app, head_names):
    app.multiselect(key="heads").set_value(head_names[:1]).run()
    wait(app)
    next(b for b in app.button if b.label == "Measure this head").click().run()
    wait(app)
    assert not app.exception
    assert not app.error
    assert "% of 100 to " in next(m.value for m in app.markdown if "matters most for" in m.value)
    frames = [d.value for d in app.dataframe]
    assert any(list(f.index) == ["1D", "2D", "3D"] and list(f.columns) == ["+", "-", "*", "/"] for f in frames)
    kinds = [f for f in frames if set(f.index) == {"memorize", "change-one"}]
    assert [list(f.columns) for f in kinds] == [["+", "-", "*", "/"], ["add", "sub", "multi", "divide"]]  # ours, theirs


def test_the_papers_tables_stand_beside(app):
    app.slider(key="count").set_value(5)
    run_and_wait(app)
    theirs = next(d.value for d in app.dataframe if "17_22" in getattr(d.value, "columns", []))
    assert theirs.loc["2D+", "17_22"] == 42.9


def test_a_changed_model_is_not_mixed_with_old_results(app, checkpoints):
    app.slider(key="count").set_value(5)
    run_and_wait(app)
    try:
        app.text_input(key="model source").set_value(str(checkpoints("grouped-query"))).run()
        app.button(key="load model").click().run()
        wait(app).run()
        assert not app.exception
        assert any("model was changed" in i.value for i in app.info)
    finally:
        app.text_input(key="model source").set_value("bundled").run()
        app.button(key="load model").click().run()
        wait(app).run()
    assert "Without head" in texts(app)
