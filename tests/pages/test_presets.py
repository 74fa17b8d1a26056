"""Presets on the pages: they set the widgets, show themselves, and give way to own settings."""

import time

import pytest
from streamlit.testing.v1 import AppTest

from core.paper.presets import PRESETS, preset
from core.prompts.arithmetic import TEMPLATES
from tests.some import some

PLACES = {
    "arithmetic_heads": "pages/arithmetic_heads/page.py",
    "logic_chain": "pages/logic_chain/page.py",
    "causal_mediation": "pages/mediation/page.py",
    "lora_comparison": "pages/lora/page.py",
    "pruning": "pages/pruning/page.py",
    "gender_bias": "pages/gender/page.py",
}
HEADS = PLACES["arithmetic_heads"]
CHAIN = PLACES["logic_chain"]


def opened(path, **link):
    app = AppTest.from_file("../../app.py", default_timeout=120)
    for name, value in link.items():
        app.query_params[name] = value
    return wait(app.run().switch_page(path).run())


def wait(app):
    """Runs until nothing is computed any more."""
    end = time.monotonic() + 180
    while app.get("progress") or any("Another computation" in i.value for i in app.info):
        assert time.monotonic() < end
        time.sleep(0.2)
        app.run()
    return app


def press(app, label):
    """A form's widgets are sent with its button."""
    next(b for b in app.button if b.label == label).click().run()
    return wait(app)


def captions(app) -> str:
    return "\n".join(c.value for c in app.caption)


def menu(app, page):
    return app.selectbox(key=f"preset {page}")


@pytest.mark.parametrize("one", PRESETS, ids=lambda one: f"{one.page}: {one.name}")
def test_every_preset_can_be_picked_on_its_page(one):
    app = opened(PLACES[one.page])
    menu(app, one.page).set_value(one.name)
    wait(app.run())
    assert not app.exception
    assert not app.error
    assert menu(app, one.page).value == one.name
    assert f"Set as in the paper, {one.model}." in captions(app)
    assert f"layers, heads and neurons of {one.model} mean others here" in captions(app)


def test_it_sets_the_widgets_and_leaves_when_one_is_changed():
    app = opened(HEADS)
    assert menu(app, "arithmetic_heads").value is None
    menu(app, "arithmetic_heads").set_value("Table 1").run()
    settings = preset("arithmetic_heads", "Table 1").settings["sweep"]
    assert app.slider(key="count").value == settings["count"] == 400
    for key in ("operations", "digits", "forms"):
        assert tuple(app.button_group(key=key).value) == settings[key]
    assert app.multiselect(key="templates").value == [0, 1, 2, 3]
    app.button_group(key="scoring").set_value("answers").run()
    assert menu(app, "arithmetic_heads").value is None
    app.button_group(key="scoring").set_value("tokens").run()
    assert menu(app, "arithmetic_heads").value == "Table 1"
    app.slider(key="count").set_value(5)
    press(app, "Run")
    assert menu(app, "arithmetic_heads").value is None
    assert "Set as in the paper" not in captions(app)
    menu(app, "arithmetic_heads").set_value("Table 1").run()
    assert app.slider(key="count").value == 400
    assert not app.exception


def test_a_link_with_its_values_shows_it():
    templates = [template.format(a="n1", b="n2") for template in TEMPLATES["+"]]
    app = opened(HEADS, digits="2", forms=["digits", "words"], templates=templates, count="400")
    assert menu(app, "arithmetic_heads").value == "Table 1"


def test_it_brings_its_own_prompts_on_the_page():
    app = opened(HEADS)
    menu(app, "arithmetic_heads").set_value("The notebook's sweep").run()
    assert app.text_area(key="own").value == "3+5="
    menu(app, "arithmetic_heads").set_value("Table 18 (GPT-J)").run()
    assert app.slider(key="count").value == 100
    assert menu(app, "arithmetic_heads").value == "Table 18 (GPT-J)"
    assert not app.exception


def test_heads_that_the_model_lacks_are_named_and_left():
    app = opened(CHAIN)
    menu(app, "logic_chain").set_value("Tables 15 and 16")
    wait(app.run())
    assert app.session_state["heads"] == []
    assert "Not set, because it is not there: head 14_19." in captions(app)
    assert app.button_group(key="set_operations").value == ["/"]


def test_heads_that_the_model_has_are_picked(monkeypatch, head_names):
    """Also where the parts below are drawn only after the new heads were looked into."""
    layer, head = map(int, head_names[0].split("_"))
    mine = [type(one)(**{**vars(one), "heads": ((layer, head), (99, 0))}) for one in PRESETS if one.heads]
    monkeypatch.setattr("pages.shared.papers.presets_of", lambda page: [one for one in mine if one.page == page])
    app = opened(CHAIN)
    menu(app, "logic_chain").set_value("Tables 15 and 16")
    wait(app.run())
    assert app.session_state["heads"] == [head_names[0]]
    assert app.button_group(key="set_operations").value == ["/"]
    assert menu(app, "logic_chain").value == "Tables 15 and 16"
    assert "head 99_0" in captions(app)
    app.slider(key="set_count").set_value(5)
    press(app, "Measure")
    assert menu(app, "logic_chain").value is None
    assert not app.exception


def test_settings_that_the_page_cannot_take_are_named():
    """The bundled model has 8 layers."""
    app = opened(PLACES["pruning"])
    menu(app, "pruning").set_value("Table 11").run()
    assert app.number_input(key="prune_top").value == 500
    assert app.selectbox(key="prune_cases").value == 0
    assert "Not set, because it is not there: layer 9 and from layer 17." in captions(app)
    app = opened(PLACES["lora_comparison"])
    menu(app, "lora_comparison").set_value("Figure 2: training")
    wait(app.run())
    assert app.number_input(key="lora_epochs").value == 4
    assert app.number_input(key="lora_rate").value == 1e-3
    assert "Not set, because it is not there: layers 1 to 30 and n train 18000." in captions(app)


def test_the_mediation_preset_brings_its_templates():
    app = opened(PLACES["causal_mediation"])
    app.button_group(key="pair_source").set_value("Your own two prompts").run()
    menu(app, "causal_mediation").set_value("CMA: two operands (LLaMA, Goat)").run()
    assert app.button_group(key="pair_source").value == "Drawn pairs"
    assert app.selectbox(key="pair_set").value == "CMA"
    assert app.selectbox(key="pair_range").value == "CMA, one-digit results"
    assert app.multiselect(key="pair_cma").value == []  # all
    assert app.slider(key="pairs").value == 120
    assert not app.exception


def test_what_is_drawn_later_gets_its_values(bundled):
    """The number of neurons on the page on gender bias stands below a result."""
    app = opened(PLACES["gender_bias"])
    app.text_area(key="bias_prompts").set_value("A <gend> works as a").run()
    menu(app, "gender_bias").set_value("Tables 12 and 13").run()
    words = preset("gender_bias", "Tables 12 and 13").settings["words"]
    assert app.text_area(key="bias_prompts").value.splitlines() == list(words["prompts"])
    for key, value in some(app.session_state["preset values gender_bias"].items()):
        assert app.session_state[key] == value
    press(app, "Run")
    assert app.number_input(key="bias_n").value == 18
    assert app.slider(key="bias_factor").value == 0.0
    assert menu(app, "gender_bias").value == "Tables 12 and 13"
    app.number_input(key="bias_n").set_value(4).run()
    assert menu(app, "gender_bias").value is None
    assert app.number_input(key="bias_n").value == 4
