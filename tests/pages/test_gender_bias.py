"""The page Gender bias, without a browser."""

import re

import pytest
from streamlit.testing.v1 import AppTest

from core.bias.measure import measure_bias, paper_words
from pages.shared.words import code, three_digits
from tests.pages.test_arithmetic_heads import wait
from tests.some import some

APP, PAGE = "../../app.py", "pages/gender/page.py"


def open_page(**query) -> AppTest:
    app = AppTest.from_file(APP, default_timeout=60).run()
    for name, value in query.items():
        app.query_params[name] = value
    return wait(app.switch_page(PAGE).run())


@pytest.fixture
def app():
    return open_page()


def texts(app) -> str:
    return "\n".join(m.value for m in app.markdown)


def captions(app) -> str:
    return "\n".join(c.value for c in app.caption)


def press(app, label):
    next(b for b in app.button if b.label == label).click().run()
    return wait(app)


def measured(app):
    press(app, "Run")
    app.slider(key="bias_count").set_value(5)
    app.slider(key="bias_draws").set_value(2).run()
    return wait(app)


def test_says_what_to_press_and_what_the_risk_is(app):
    assert not app.exception
    assert app.title[0].value == "Gender bias"
    assert "Press **Run**" in app.info[0].value
    assert "can also amplify" in texts(app)


def test_bias_and_neurons(app, bundled):
    measured(app)
    assert not app.exception
    assert not app.error
    total = measure_bias(bundled, paper_words()).total
    assert f"Total bias is **{total:.2f} [" in texts(app)
    assert re.search(r"\] nats\*\* \(95% interval over professions\)", texts(app))
    assert "total 1.26, woman 1.45, man 1.08" in texts(app)
    table = next(d.value for d in app.dataframe if "imp_woman" in d.value.columns)
    assert len(table) == 18
    assert table["change"].is_monotonic_decreasing
    theirs = next(d.value for d in app.dataframe if "22_2651" in d.value.index)
    assert "maid" in theirs.loc["22_2651", "top_tokens"]
    assert app.query_params["run"] in ("1", ["1"])


def test_edit_before_and_after(app):
    measured(app)
    assert "Press **Edit these neurons**" in captions(app)
    press(app, "Edit these neurons")
    assert not app.exception
    assert not app.error
    table = next(d.value for d in app.dataframe if "mean size" in d.value.columns)
    assert list(table.index) == ["original", "edited", "change"]
    assert list(table.columns) == ["total", "woman bias", "man bias", "mean size"]
    assert float(table.loc["edited", "total"]) < float(table.loc["original", "total"])
    assert "2 draws of 18 random neurons" in texts(app)
    assert "Arithmetic accuracy goes from" in texts(app)
    assert "% of 40 prompts to" in texts(app)
    accuracy = next(d.value for d in app.dataframe if "all" in d.value.columns)
    assert accuracy.loc["edited", "all"].endswith("% of 40")
    assert accuracy.loc["original", "+"].endswith("% of 10")
    app.number_input(key="bias_n").set_value(1).run()
    assert "settings have changed" in captions(wait(app))
    press(app, "Edit these neurons")
    assert "2 draws of 1 random neurons" in texts(app)
    assert not app.exception


def test_factor_one_changes_no_bias(app):
    measured(app)
    app.slider(key="bias_factor").set_value(1.0).run()
    press(wait(app), "Edit these neurons")
    table = next(d.value for d in app.dataframe if "mean size" in d.value.columns)
    assert table.loc["original"].tolist() == table.loc["edited"].tolist()
    assert set(table.loc["change"]) == {"0%"}


def test_curve(app):
    measured(app)
    app.slider(key="bias_most").set_value(5).run()
    press(wait(app), "Draw the curve")
    assert not app.exception
    assert not app.error
    table = next(d.value for d in app.dataframe if "neutral" in d.value.columns)
    assert table["neurons"].tolist() == [0, 1, 2, 3, 4, 5]
    assert set(table["prompts"]) == {40}
    assert "smallest in mean size" in texts(app) or "No number of neurons" in texts(app)


def test_own_words_and_what_the_model_does_not_know(app):
    app.text_area(key="bias_words_0").set_value("nurse\nmaid\nzzyzx")
    app.text_area(key="bias_words_1").set_value("police")
    app.text_area(key="bias_prompts").set_value("A <gend> works as a\nqqq <gend> is a")
    measured(app)
    assert not app.exception
    assert "2 words or prompts had to be left out" in app.warning[0].value
    assert "zzyzx" in captions(app)
    assert "qqq" in captions(app)


@pytest.mark.parametrize(
    ("key", "value", "words"),
    [
        ("bias_prompts", "A woman works as a", "no \\<gend>"),
        ("bias_words_0", "", "at least one word"),
        ("bias_words_1", "nurse", "both groups"),
        ("bias_prompts", "", "at least one prompt"),
    ],
)
def test_words_with_which_nothing_can_be_measured(app, key, value, words):
    app.text_area(key=key).set_value(value)
    press(app, "Run")
    assert not app.exception
    assert words in app.error[0].value


def test_an_unknown_group(app):
    app.text_input(key="bias_group_0").set_value("zzyzx")
    press(app, "Run")
    assert not app.exception
    assert "zzyzx" in app.error[0].value


def test_neurons_go_to_the_bench(app):
    measured(app)
    app.number_input(key="bias_n").set_value(2).run()
    app.slider(key="bias_factor").set_value(-1.0).run()
    press(wait(app), "Open them in What-if")
    table = next(d.value for d in app.dataframe if "imp_woman" in d.value.columns)
    names = table["neuron"].tolist()
    wait(app.switch_page("pages/what_if/page.py").run())
    for tokens, group, *both in some(
        zip(table["top_tokens"], table["favours"], table["coef_woman"], table["coef_man"], strict=True)
    ):
        named = " ".join(code(token) for token in tokens.split()[:6])
        value = three_digits(both[group == "man"])
        assert any(
            named == c.value.removeprefix("promotes ").split(" (")[0].replace("␣", "")
            and f"(coefficient {value} after `A␣{group}" in c.value
            for c in app.caption
        )
    active = app.session_state["edit history"].now.active
    assert [f"{e.layer}_{e.neuron}" for e in active] == names
    assert {e.factor for e in active} == {-1.0}


def test_a_link_runs_it():
    app = open_page(run="1", bias_n="3")
    assert "Total bias is" in texts(app)
    assert app.number_input(key="bias_n").value == 3


def test_other_architectures(app, checkpoints):
    try:
        app.text_input(key="model source").set_value(str(checkpoints("gptj"))).run()
        app.button(key="load model").click().run()
        wait(app).run()
        measured(app)
        press(app, "Edit these neurons")
        assert not app.exception
        assert not app.error
        assert "Total bias is" in texts(app)
    finally:
        app.text_input(key="model source").set_value("bundled").run()
        app.button(key="load model").click().run()
        wait(app).run()
