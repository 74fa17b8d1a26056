"""A rerun computes nothing: whatever a widget elsewhere changes, the model runs only for what was not asked before."""

import pytest
from streamlit.testing.v1 import AppTest

from pages.shared.resources import _kept, board, residence
from tests.pages.test_arithmetic_heads import wait

#: A widget of each page that no computation depends on, and what sets it.
PAGES = {
    "pages/ask/page.py": lambda app: app.number_input(key="head").set_value(3),
    "pages/arithmetic_heads/page.py": lambda app: app.selectbox(key="table head").select_index(1),
    "pages/logic_chain/page.py": lambda app: app.slider(key="nodes").set_value(20),
    "pages/find_neurons/page.py": lambda app: app.text_area(key="concept words").set_value("one two"),
}


@pytest.fixture
def passes(monkeypatch):
    """How often a layer of the model ran."""
    ran = []
    board.clear()
    _kept.clear()
    lm = residence().model()
    handles = [layer.register_forward_hook(lambda *_: ran.append(1)) for layer in lm.modules.layers]
    yield ran
    for handle in handles:
        handle.remove()


@pytest.mark.parametrize("page", PAGES)
def test_a_rerun_runs_no_layer(page, passes):
    app = AppTest.from_file("../../app.py", default_timeout=60)
    app.query_params["heads"] = ["5_2", "4_6"]
    app.run()
    if page != "pages/ask/page.py":
        app.switch_page(page).run()
    wait(app).run()
    if page in ("pages/logic_chain/page.py", "pages/find_neurons/page.py"):
        app.text_input(key="neuron").set_value("7_12").run()
        wait(app)
    if page == "pages/logic_chain/page.py":
        app.selectbox(key="by").set_value("attention-weighted").run()
        wait(app).run()
    assert len(passes) > 0
    passes.clear()
    PAGES[page](app)
    wait(app.run()).run()
    assert not app.exception
    assert not app.error
    assert passes == []
