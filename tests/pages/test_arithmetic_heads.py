"""The page Arithmetic heads, without a browser."""

import json
import re
import time

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core import paper
from core.heads.accuracy import sweep_accuracy
from core.heads.sweep import sweep_heads
from core.prompts.arithmetic import OPERATIONS, make_prompts
from pages.arithmetic_heads.notebook import beside
from pages.arithmetic_heads.results import paper_decrease
from pages.arithmetic_heads.top_heads import unknown_groups
from pages.shared.words import percent
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
    prompts = make_prompts(digits=(1, 2), count=5)
    tokens = {o: sum(len(p.answer) for p in prompts if p.operation == o) for o in OPERATIONS}
    n = sum(tokens.values())
    assert n > len(prompts) == 40
    assert f"accuracy over the answer tokens of the prompts ({n})" in texts(app)
    assert f"% of {n} to " in texts(app)
    labels = json.loads(app.dataframe[0].proto.columns)
    assert [labels[c]["label"] for c in ("all", "+")] == [f"all (of {n})", f"+ (of {tokens['+']})"]
    table = app.dataframe[0].value
    assert list(table.columns) == ["head", "all", "+", "-", "*", "/"]
    assert table["head"].iloc[0] == "all heads"
    assert len(table) == 13
    mean = sum(table[o].iloc[0] * count for o, count in tokens.items()) / n
    assert table["all"].iloc[0] == pytest.approx(mean)
    assert table["all"].iloc[1:].is_monotonic_increasing
    assert app.query_params["run"] in ("1", ["1"])


def test_scored_either_way_without_a_new_sweep(app, bundled):
    app.slider(key="count").set_value(5)
    run_and_wait(app)
    job = app.session_state["slot heads"].job
    tokens = app.dataframe[0].value
    app.button_group(key="scoring").set_value("answers").run()
    assert app.session_state["slot heads"].job is job
    answers = app.dataframe[0].value
    assert not app.exception
    assert "accuracy over the prompts (40) falls" in texts(app)
    labels = json.loads(app.dataframe[0].proto.columns)
    assert [labels[c]["label"] for c in ("all", "+")] == ["all (of 40)", "+ (of 10)"]
    assert answers["all"].iloc[0] == pytest.approx(answers[["+", "-", "*", "/"]].iloc[0].mean())
    original, _ = sweep_accuracy(bundled, make_prompts(digits=(1, 2), count=5)).accuracy()
    assert answers["all"].iloc[0] == pytest.approx(original)
    assert answers["all"].iloc[0] < tokens["all"].iloc[0]


def test_other_operands_are_another_sweep(app):
    app.slider(key="count").set_value(5)
    run_and_wait(app)
    inverse = app.dataframe[0].value
    app.button_group(key="pool").set_value("within digits").run()
    run_and_wait(app)
    assert not app.exception
    within = app.dataframe[0].value
    assert within["+"].iloc[0] == inverse["+"].iloc[0]
    assert within["-"].iloc[0] > inverse["-"].iloc[0]  # the bundled model was trained within digits


def test_one_operation_and_probability(app):
    app.slider(key="count").set_value(5)
    app.button_group(key="scoring").set_value("open answers")
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
    tokens = {o: sum(len(p.answer) for p in make_prompts([o], [2], count=50)) for o in OPERATIONS}
    for operation, n in some(tokens.items()):
        assert all(cell.endswith(f"% of {n}") for cell in some(accuracy.loc[f"2D{operation}"]))
    app.button_group(key="scoring").set_value("answers").run()
    assert all(cell.endswith("% of 50") for cell in some(app.dataframe[1].value.to_numpy().flatten()))
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
    assert "accuracy falls from" in next(m.value for m in app.markdown if "matters most for" in m.value)
    assert any("With this tokenizer the answers are" in c.value and "of 2 tokens" in c.value for c in app.caption)
    frames = [d.value for d in app.dataframe]
    assert any(list(f.index) == ["1D", "2D", "3D"] and list(f.columns) == ["+", "-", "*", "/"] for f in frames)
    kinds = [f for f in frames if set(f.index) == {"memorize", "change-one"}]
    assert [list(f.columns) for f in kinds] == [["+", "-", "*", "/"], ["add", "sub", "multi", "divide"]]  # ours, theirs
    counts = {(k, o): int(re.search(r"\((\d+)\)", kinds[0].loc[k, o])[1]) for k in kinds[0].index for o in kinds[0]}
    for operation in OPERATIONS:
        n = sum(len(p.answer) for p in make_prompts([operation], [2], count=100))
        assert counts["memorize", operation] + counts["change-one", operation] == n
    app.button_group(key="scoring").set_value("answers").run()
    assert "% of 100 to " in next(m.value for m in app.markdown if "matters most for" in m.value)


def test_the_papers_tables_stand_beside(app):
    app.slider(key="count").set_value(5)
    run_and_wait(app)
    theirs = next(d.value for d in app.dataframe if "17_22" in getattr(d.value, "columns", []))
    assert theirs.loc["2D+", "17_22"] == 42.9
    assert "In the paper: Llama-7B, another model" in [e.label for e in app.expander]
    assert any("Another model than the loaded one" in c.value for c in app.caption)


@pytest.mark.parametrize(
    ("model", "number", "label", "marked"),
    [("Llama-7B", 1, "The same in the paper: Llama-7B", False), ("GPT-J", 18, "The same in the paper: GPT-J", True)],
)
def test_the_papers_tables_follow_the_loaded_model(app, monkeypatch, model, number, label, marked):
    """On GPT-J only tables 24 to 27 are of another model, since the paper has them of Llama-7B only."""
    for module in ("shared.papers", "arithmetic_heads.results", "arithmetic_heads.top_heads"):
        monkeypatch.setattr(f"pages.{module}.model_of", lambda lm: model)
    app.slider(key="count").set_value(5)
    run_and_wait(app)
    assert not app.exception
    assert label in [e.label for e in app.expander]
    theirs = next(d.value for d in app.dataframe if "ori" in getattr(d.value, "columns", []))
    assert theirs.equals(paper.frame(number))
    assert any("Another model than the loaded one" in c.value for c in app.caption) == marked


@pytest.mark.parametrize(
    ("model", "operation", "head", "text"),
    [
        ("Llama-7B", None, "17_22", "28.6% (Llama-7B, 2-digit)"),
        ("GPT-J", "-", "13_9", "46.8% (GPT-J, 2-digit)"),
        (None, "/", "14_19", "73.2% (Llama-7B, 2-digit)"),
    ],
)
def test_a_heads_tooltip_names_the_papers_model(bundled, monkeypatch, model, operation, head, text):
    monkeypatch.setattr("pages.arithmetic_heads.results.model_of", lambda lm: model)
    assert paper_decrease(bundled, operation)[head] == text


def test_the_top_five_heads_stand_beside_the_papers(app):
    app.slider(key="count").set_value(10)
    run_and_wait(app)
    assert not app.exception
    ours, theirs = (d.value for d in app.dataframe if "1st head" in d.value.columns)
    assert list(ours.index) == [f"{d}D{o}" for o in "+-*/" for d in (1, 2)]
    assert list(theirs.index) == [f"{d}D{o}" for o in "+-*/" for d in (1, 2, 3)]
    for name, row in some(theirs.iterrows()):
        original, *heads = paper.table({"+": 24, "-": 25, "*": 26, "/": 27}[name[2]])["rows"][name]
        assert row["all heads"] == percent(original / 100)
        assert row.tolist()[1:] == [f"{head}: {percent(accuracy / 100)}" for head, accuracy in some(heads)]
    assert "different heads lead a group" in texts(app)


def test_the_notebooks_sweep_stands_beside_own_prompts(app, monkeypatch, arithmetic_head):
    app.button_group(key="source").set_value("Your own prompts").run()
    app.text_area(key="own").set_value("3+5=")
    run_and_wait(app)
    (theirs,) = [d.value for d in app.dataframe if "probability, notebook" in d.value.columns]
    assert theirs["head"].iloc[0] == "17_22"
    assert theirs["probability, notebook"].iloc[0] == "6.16%"
    assert not any("here" in column for column in theirs.columns)
    assert "The paper's notebook: Llama-7B, another model" in [e.label for e in app.expander]


def test_our_sweep_stands_beside_the_notebooks(bundled, monkeypatch):
    """In a model that has the notebook's heads."""
    swept = sweep_heads(bundled, ["9-2=", "3+5="])
    frame = pd.DataFrame({"head": ["4_2", "0_1"], "probability": [0.1, 0.2], "decrease": [0.9, 0.8]})
    monkeypatch.setattr("core.paper.notebook.heads_frame", lambda: frame)
    table = beside(swept, True)
    assert table["probability, here"].tolist() == [percent(float(swept.probability[1, *h])) for h in ((4, 2), (0, 1))]
    assert table["probability, notebook"].tolist() == ["10.0%", "20.0%"]
    assert "probability, here" not in beside(sweep_heads(bundled, ["9-2="]), True)
    assert "probability, here" not in beside(swept, False)


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


def test_groups_without_a_right_answer_are_named():
    swept = pd.DataFrame({"operation": ["+", "+", "-"], "digits": [1, 3, 3], "baseline": [0.5, 0.0, 0.0]})
    assert unknown_groups(swept) == " The model answers none of 3D+ and 3D-, so nothing can decrease there."
    assert unknown_groups(swept.head(1)) == ""
