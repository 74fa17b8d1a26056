"""The sidebar's choice of a model: both bundled ones by one click, a folder or hub id by its name."""

import pytest
from streamlit.testing.v1 import AppTest

from core.model.provenance import card
from core.model.source import BUNDLED
from pages.frame.sidebar import BUNDLED_MODELS
from pages.shared.resources import residence
from tests.pages.test_arithmetic_heads import texts, wait

APP = "../../app.py"


@pytest.fixture
def app():
    yield wait(AppTest.from_file(APP, default_timeout=60).run())
    if residence().model().name != "bundled":
        residence().change("bundled", "auto", by="the test")


def captions(app) -> str:
    return "\n".join(c.value for c in app.caption)


def pick(app, name):
    app.button(key=f"load {name}").click().run()
    return wait(app).run()


def marked(app) -> list[str]:
    return [b.label for b in app.button if b.icon == ":material/check:"]


def test_every_bundled_model_is_offered_with_what_it_is(app):
    assert list(BUNDLED_MODELS) == list(BUNDLED)
    assert "Shaped to show the paper's stages." in captions(app)
    assert "Trained on next tokens only." in captions(app)
    assert marked(app) == ["`bundled`"]


def test_one_click_loads_the_other_and_one_the_first_again(app):
    pick(app, "bundled/plain")
    assert not app.exception
    assert not app.error
    assert residence().model().name == "bundled/plain"
    assert "**Model** `bundled/plain`" in texts(app)
    assert app.text_input(key="model source").value == "bundled/plain"
    assert marked(app) == ["`bundled/plain`"]
    pick(app, "bundled")
    assert residence().model().name == "bundled"
    assert "**Model** `bundled`" in texts(app)


@pytest.mark.parametrize(("name", "made"), [("bundled", "shaped"), ("bundled/plain", "plain")])
def test_the_card_is_the_loaded_models(app, name, made):
    pick(app, name)
    assert card(made) not in texts(app)
    app.button(key="model card").click().run()
    assert not app.exception
    assert not app.error
    assert card(made) in [m.value for m in app.markdown]


def test_no_card_is_offered_for_other_models(app, checkpoints):
    app.text_input(key="model source").set_value(str(checkpoints("llama"))).run()
    app.button(key="load model").click().run()
    wait(app).run()
    assert marked(app) == []
    assert "model card" not in [b.key for b in app.button]


def test_it_is_loaded_in_the_chosen_precision(app):
    app.selectbox(key="model precision").set_value("bf16").run()
    pick(app, "bundled/plain")
    assert residence().model().precision == "bf16"


@pytest.mark.parametrize(("typed", "name"), [("bundled/plain", "bundled/plain"), ("bundled/shaped", "bundled")])
def test_its_name_can_be_typed(app, typed, name):
    app.text_input(key="model source").set_value(typed).run()
    assert "Will need 0.01 GB; " in captions(app)
    assert "It is downloaded first" not in captions(app)
    app.button(key="load model").click().run()
    wait(app).run()
    assert not app.error
    assert residence().model().name == name


def test_a_bundled_model_that_there_is_not(app):
    app.text_input(key="model source").set_value("bundled/other").run()
    app.button(key="load model").click().run()
    wait(app)
    assert "There is no bundled model" in app.error[0].value
    assert "bundled/plain" in app.error[0].value
    assert residence().model().name == "bundled"


def test_the_server_can_start_with_the_plain_model(monkeypatch):
    monkeypatch.setenv("ABACUS_MODEL", "bundled/plain")
    residence.clear()
    try:
        app = wait(AppTest.from_file(APP, default_timeout=60).run())
        assert not app.exception
        assert not app.error
        assert "**Model** `bundled/plain`" in texts(app)
        assert marked(app) == ["`bundled/plain`"]
    finally:
        monkeypatch.undo()
        residence.clear()
