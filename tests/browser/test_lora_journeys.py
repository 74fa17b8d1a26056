"""Fine-tuning in a real browser: train an adapter, see what it changed, open a neuron's card, prune, take it home."""

import shutil

import pytest
from playwright.sync_api import expect

from core.lora.series import own_folder, train_series
from core.lora.settings import LoraSettings
from core.model.load import load_model
from tests.browser.conftest import start_server
from tests.browser.steps import done, settled

pytestmark = pytest.mark.browser
SETTINGS = LoraSettings(rank=2, alpha=4, epochs=1, n_train=64)


@pytest.fixture
def own_server(tmp_path, monkeypatch, bundled):
    """A server with a person's own data of the test, in which two layers are trained."""
    monkeypatch.setenv("ABACUS_DATA", str(tmp_path / "data"))
    train_series(bundled, own_folder(bundled, SETTINGS), SETTINGS, [6, 7])
    process, url = start_server()
    yield url
    process.terminate()
    process.wait(20)
    shutil.rmtree(tmp_path / "data", ignore_errors=True)


def fill(page, label, value):
    box = page.get_by_label(label, exact=True)
    box.fill(str(value))
    box.press("Tab")


def show_own(page):
    """Picks the test's own adapters where others are shipped too."""
    if page.get_by_label("Adapters", exact=False).count():
        page.get_by_test_id("stMain").get_by_role("combobox", name="Adapters").click()
        page.get_by_role("option", name="trained here: 2 layers", exact=False).click()
        settled(page)


def test_from_training_to_a_pruned_model_at_home(own_server, new_tab, tmp_path):
    page = new_tab(f"{own_server}/lora_comparison")
    expect(page.get_by_role("heading", name="Accuracy by layer")).to_be_visible()
    done(page)
    show_own(page)
    expect(page.get_by_text("are above the base.", exact=False)).to_be_visible()
    expect(page.get_by_text("Neurons that the adapter on", exact=False)).to_be_visible()

    settled(page)
    if not page.get_by_label("Training prompts", exact=True).is_visible():
        page.get_by_text("Train adapters", exact=True).click()
    layers = page.get_by_label("Layers", exact=True)
    layers.click()
    chosen = page.get_by_test_id("stMultiSelect").filter(has=layers).locator("[data-tag]")
    for left in range(7, 0, -1):  # only layer 0 stays
        layers.press("Backspace")
        expect(chosen).to_have_count(left)
    layers.press("Escape")
    fill(page, "Rank", 1)
    fill(page, "Epochs", 1)
    fill(page, "Training prompts", 32)
    page.get_by_role("button", name="Train", exact=True).click()
    expect(page.get_by_text("Saved in", exact=False)).to_be_visible()
    done(page)

    page.goto(f"{own_server}/pruning")
    expect(page.get_by_text("Press Find", exact=False)).to_be_visible()
    settled(page)
    show_own(page)
    fill(page, "Top n of each case", 5)
    page.get_by_role("button", name="Find", exact=True).click()
    expect(page.get_by_text("The union of the top 5", exact=False)).to_be_visible()
    done(page)
    page.get_by_role("button", name="Train twice").click()
    expect(page.get_by_text("on as many random neurons it reaches", exact=False)).to_be_visible()
    done(page)
    fill(page, "New folder on this computer", tmp_path / "home")
    page.get_by_role("button", name="Export", exact=True).click()
    expect(page.get_by_text("40 of 40", exact=False)).to_be_visible()
    assert load_model(tmp_path / "home").n_layers == 8
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
