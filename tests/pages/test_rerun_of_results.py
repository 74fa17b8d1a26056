"""A rerun with a result on the page only draws: no layer runs, no layer's weights are converted, no file is hashed."""

import pytest
from streamlit.testing.v1 import AppTest

from core.model import weights
from core.model.adapter_files import AdapterFolder
from core.model.adapters import AdaptedModel
from pages.shared import resources
from pages.shared.resources import _kept, board, residence
from tests.pages.test_arithmetic_heads import wait


def press(app, label):
    next(b for b in app.button if b.label == label).click().run()
    return wait(app)


def mediation(app):
    app.slider(key="pairs").set_value(5)
    press(app, "Run")
    press(app, "Measure heads and neurons")
    return lambda: app.button_group(key="flow_average").set_value("mean")


def gender(app):
    press(app, "Run")
    press(app, "Edit these neurons")
    return lambda: app.number_input(key="bias_n").set_value(5)


def what_if(app):
    app.slider(key="bench_count").set_value(0)
    app.text_input(key="add names").set_value("7_5, 7_9")
    press(app, "Add")
    press(app, "Measure each edit")
    return lambda: app.selectbox(key="bench shown").select_index(1)


def lora(app):
    return lambda: app.button_group(key="lora_group").set_value("+")


PAGES = {"mediation": mediation, "gender": gender, "what_if": what_if, "lora": lora}


@pytest.fixture
def computed(monkeypatch):
    """What was computed, in words."""
    done = []
    board.clear()
    _kept.clear()
    first_seen = ((id(done), 0),)  # files that no earlier test has read: what it kept cannot be cleared from here
    monkeypatch.setattr(resources, "_stamps", lambda folder: first_seen)
    lm = residence().model()
    handles = [layer.register_forward_hook(lambda *_: done.append("layer")) for layer in lm.modules.layers]
    read, digest, made = weights._read, AdapterFolder.digest, AdaptedModel.__post_init__

    def reading(module, row, column):
        if row == column == slice(None):
            done.append("whole weight")
        return read(module, row, column)

    monkeypatch.setattr(weights, "_read", reading)
    monkeypatch.setattr(AdapterFolder, "digest", lambda self: done.append("digest") or digest(self))
    monkeypatch.setattr(AdaptedModel, "__post_init__", lambda self: done.append("adapter") or made(self))
    yield done
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("page", PAGES)
def test_a_rerun_only_draws(page, computed):
    app = AppTest.from_file("../../app.py", default_timeout=120).run()
    wait(app.switch_page(f"pages/{page}/page.py").run())
    change = PAGES[page](app)
    wait(app).run()
    assert not app.exception
    assert "layer" in computed
    assert ("digest" in computed) == (page == "lora")
    computed.clear()
    change().run()
    wait(app).run()
    assert not app.exception
    assert not app.error
    assert computed == []
