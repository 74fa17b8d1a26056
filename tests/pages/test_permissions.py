"""What is off while other computers can reach the server."""

import importlib
import sys

import pytest
import streamlit as st
from streamlit.testing.v1 import AppTest

from core import disk_cache
from core.errors import UserError
from pages.shared import permissions
from pages.shared.permissions import OPEN, WHY, check_allowed, is_locked, is_loopback
from tests.pages.test_arithmetic_heads import wait
from tests.pages.test_lora import data  # noqa: F401 - a fixture
from tests.pages.test_lora import opened as opened_lora

#: Modules that draw such controls (pages themselves are read anew at every run).
DRAWN = [
    "pages.what_if.keeping",
    "pages.what_if.comparing",
    "pages.pruning.export",
    "pages.lora.one_prompt",
    "pages.pruning.results",
    "pages.lora.training",
    "pages.frame.sidebar",
]


@pytest.mark.parametrize("address", ["127.0.0.1", "127.1.2.3", "::1", "[::1]", "localhost", "LocalHost", " 127.0.0.1 "])
def test_loopback(address):
    assert is_loopback(address)


@pytest.mark.parametrize(
    "address", [None, "", "0.0.0.0", "::", "192.168.1.7", "my-laptop", "localhost.example.org", "unix:///tmp/app.sock"]
)
def test_not_loopback(address):
    assert not is_loopback(address)


@pytest.fixture
def listen(monkeypatch):
    """Sets the address that the server listens on; 127.0.0.1 unless told."""
    monkeypatch.delenv(OPEN, raising=False)
    real, address = st.get_option, ["127.0.0.1"]
    monkeypatch.setattr(st, "get_option", lambda name: address[0] if name == "server.address" else real(name))

    def to(value):
        address[0] = value

    return to


@pytest.fixture
def classroom(listen):
    listen("0.0.0.0")


def test_the_repository_listens_on_loopback(monkeypatch):
    monkeypatch.delenv(OPEN, raising=False)
    assert not is_locked()


@pytest.mark.parametrize(("value", "locked"), [("1", False), ("0", True), ("", True), ("yes", True)])
def test_the_person_who_starts_it_can_open_it(classroom, monkeypatch, value, locked):
    monkeypatch.setenv(OPEN, value)
    assert is_locked() == locked
    if locked:
        with pytest.raises(UserError, match=OPEN):
            check_allowed()
    else:
        check_allowed()


@pytest.fixture
def sent_by_hand(classroom, monkeypatch):
    """Controls are drawn switched on all the same: what answers then is the check before the action."""
    real = permissions.locked
    for name in DRAWN:
        importlib.import_module(name)
    for module in list(sys.modules.values()):
        if getattr(module, "locked", None) is real:
            monkeypatch.setattr(module, "locked", lambda: False)


def opened(page=None):
    app = AppTest.from_file("../../app.py", default_timeout=120).run()
    return wait(app.switch_page(page).run() if page else app)


def button(app, label):
    return next(b for b in app.button if b.label == label)


def errors(app):
    return [e.value for e in app.error]


def test_changing_the_model_is_off(classroom, monkeypatch):
    looked_up = []
    monkeypatch.setattr("pages.frame.sidebar.memory_needed", lambda *a: looked_up.append(a) or 1)
    app = opened()
    assert button(app, "Load").disabled
    assert app.text_input(key="model source").disabled
    assert WHY in "\n".join(c.value for c in app.caption)
    assert not looked_up
    assert not app.exception


def test_changing_the_model_is_refused(sent_by_hand):
    app = opened()
    button(app, "Load").click().run()
    assert errors(app) == [WHY]
    assert "model job" not in app.session_state
    assert not app.exception


@pytest.fixture
def what_if():
    app = opened("pages/what_if/page.py")
    app.text_input(key="add names").set_value("7_5")
    return wait(button(app, "Add").click().run())


def test_export_and_comparing_are_off(classroom, what_if):
    assert button(what_if, "Export").disabled
    assert what_if.text_input(key="export folder").disabled
    assert button(what_if, "Compare").disabled
    assert what_if.text_input(key="compare folder").disabled


def test_export_and_comparing_are_refused(sent_by_hand, what_if, tmp_path):
    app = what_if
    app.text_input(key="export folder").set_value(str(tmp_path / "out"))
    wait(button(app, "Export").click().run())
    assert WHY in errors(app)
    assert "slot export" not in app.session_state
    assert not (tmp_path / "out").exists()
    app.text_input(key="compare folder").set_value(str(tmp_path))
    wait(button(app, "Compare").click().run())
    assert WHY in errors(app)
    assert "slot compare" not in app.session_state
    assert not app.exception


def test_clearing_the_cache_is_off(classroom):
    assert button(opened("pages/find_neurons/page.py"), "Clear").disabled


def test_clearing_the_cache_is_refused(sent_by_hand, monkeypatch):
    cleared = []
    monkeypatch.setattr(disk_cache, "clear", lambda: cleared.append(1) or 0)
    app = opened("pages/find_neurons/page.py")
    wait(button(app, "Clear").click().run())
    assert errors(app) == [WHY]
    assert not cleared
    assert not app.exception


def test_training_and_typed_adapters_are_off(classroom, data):  # noqa: F811
    app = opened_lora("pages/lora/page.py")
    assert button(app, "Train").disabled
    assert app.text_input(key="own_adapter").disabled


def test_training_and_typed_adapters_are_refused(sent_by_hand, data):  # noqa: F811
    app = opened_lora("pages/lora/page.py")
    before = sorted(data.rglob("*"))
    wait(button(app, "Train").click().run())
    assert WHY in errors(app)
    assert "slot lora training" not in app.session_state
    app.text_input(key="own_adapter").set_value("/etc").run()
    wait(app)
    assert errors(app) == [WHY]
    assert sorted(data.rglob("*")) == before
    assert not app.exception


@pytest.fixture
def pruned(listen, data):  # noqa: F811
    app = opened_lora("pages/pruning/page.py")
    app.number_input(key="prune_top").set_value(5)
    wait(button(app, "Find").click().run())
    return wait(button(app, "Train twice").click().run())


def test_training_and_exporting_a_pruned_model_are_off(pruned, listen):
    listen("0.0.0.0")
    app = pruned.run()
    assert button(app, "Train twice").disabled
    assert button(app, "Export").disabled
    assert app.text_input(key="export_folder").disabled
    assert not button(app, "Find").disabled  # only measures


def test_training_and_exporting_a_pruned_model_are_refused(pruned, sent_by_hand, tmp_path):
    app = pruned
    app.text_input(key="export_folder").set_value(str(tmp_path / "home"))
    wait(button(app, "Export").click().run())
    assert WHY in errors(app)
    assert not (tmp_path / "home").exists()
    job = app.session_state["slot pruned training"]
    wait(button(app, "Train twice").click().run())
    assert WHY in errors(app)
    assert app.session_state["slot pruned training"] is job
    assert not app.exception


def test_on_loopback_nothing_is_off(listen, what_if):
    for label in "Load", "Export", "Compare":
        assert not button(what_if, label).disabled
    assert WHY not in "\n".join(c.value for c in what_if.caption)
