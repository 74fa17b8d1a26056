"""The start page, without a browser."""

import pytest
from streamlit.testing.v1 import AppTest

from core.neurons import layer_increase
from core.paper import notebook
from tests.pages.test_arithmetic_heads import wait
from tests.some import some

APP = "../../app.py"


@pytest.fixture
def app():
    return AppTest.from_file(APP, default_timeout=60).run()


def ask(app, prompt):
    app.text_input(key="prompt").set_value(prompt)
    return next(b for b in app.button if b.label == "Ask").click().run()


def texts(app) -> str:
    return "\n".join(m.value for m in app.markdown)


def test_opens_with_an_answer(app):
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "Ask the model"
    assert "`8` and it ends there" in texts(app)
    assert len(app.get("vega_lite_chart") or app.get("arrow_vega_lite_chart")) == 5


def test_the_notebooks_increase_stands_beside(app, bundled, monkeypatch):
    assert "The paper's notebook: Llama-7B, another model" in [e.label for e in app.expander]
    theirs = next(d.value for d in app.dataframe if len(d.value) == 64 and "module" in d.value.columns)
    assert theirs.equals(notebook.increase_frame())
    monkeypatch.setattr("pages.ask.notebook.model_of", lambda lm: "Llama-7B")
    app.run()
    assert not app.exception
    assert "The paper's notebook: Llama-7B" in [e.label for e in app.expander]
    shown = next(d.value for d in app.dataframe if "increase, here" in d.value.columns)
    ours = layer_increase(bundled, "3+5=").to_frame().set_index(["module", "layer"])["increase"]
    mine = shown.set_index(["module", "layer"])
    assert mine["increase"].tolist() == theirs["increase"].tolist()
    for place, value in some(ours.items()):
        assert mine.loc[place, "increase, here"] == pytest.approx(value)
    ask(app, "9-2=")
    assert not any("increase, here" in d.value.columns for d in app.dataframe)


def test_another_prompt(app):
    ask(app, "9-2=")
    assert "`7`" in texts(app)
    assert not app.error


def test_an_example(app):
    app.button_group(key="example").set_value("56 / 8 =").run()
    assert app.text_input(key="prompt").value == "56 / 8 ="
    assert "`7`" in texts(app)


@pytest.mark.parametrize(
    ("prompt", "words"),
    [
        ("", "empty"),
        ("3 + zzyzx =", "zzyzx"),
        ("3 " * 400, "at most"),
    ],
)
def test_bad_prompts_say_what_to_do_and_the_next_one_works(app, prompt, words):
    ask(app, prompt)
    assert not app.exception
    assert words in app.error[0].value
    ask(app, "3+5=")
    assert not app.error
    assert "`8`" in texts(app)


def test_picked_heads_show_both_answers(app, head_names):
    app.multiselect(key="heads").set_value(head_names[:2]).run()
    names = " and ".join(head_names[:2])
    assert not app.exception
    assert not app.error
    assert [s.value for s in app.subheader][:2] == ["All heads", f"Without {names}"]
    assert f"when {names} are ablated" in texts(app)
    next(b for b in app.button if b.label == "Clear heads").click().run()
    assert app.subheader[0].value == "Next token"


def test_link_restores_the_view():
    app = AppTest.from_file(APP, default_timeout=60)
    app.query_params["prompt"] = "9-2="
    app.query_params["heads"] = "4_1"
    app.run()
    assert app.text_input(key="prompt").value == "9-2="
    assert app.multiselect(key="heads").value == ["4_1"]
    assert "Without 4_1" in [s.value for s in app.subheader]


def test_a_head_that_does_not_exist_in_the_link_is_left_out():
    app = AppTest.from_file(APP, default_timeout=60)
    app.query_params["heads"] = "99_99"
    app.run()
    assert not app.exception
    assert app.multiselect(key="heads").value == []


def test_refused_model_keeps_the_loaded_one(app, tmp_path):
    app.text_input(key="model source").set_value(str(tmp_path)).run()
    assert any("no config.json" in c.value for c in app.caption)
    app.button(key="load model").click().run()
    wait(app)
    assert "no config.json" in app.error[0].value
    assert "`8`" in texts(app)


def test_memory_is_told_before_loading(app, checkpoints):
    app.text_input(key="model source").set_value(str(checkpoints("llama"))).run()
    assert any(c.value.startswith("Will need 0.00 GB; ") for c in app.caption)


def test_layers_without_heads_are_about_the_original_prediction(app, head_names):
    """The prediction changes without the heads; the increases stay those of the same token."""
    ask(app, "34+28=")
    token = texts(app).split(" raises `")[1][0]
    app.multiselect(key="heads").set_value(head_names[:3]).run()
    app.button_group(key="inside").set_value("without the heads").run()
    assert not app.exception
    assert f" raises `{token}`" in texts(app)
