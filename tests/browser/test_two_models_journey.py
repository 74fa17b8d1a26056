"""Both models' stored findings in a real browser: read, looked at by operation, opened on their page."""

import json

import pytest
from playwright.sync_api import expect

from tests.browser.steps import at_least, in_the_link, settled

pytestmark = pytest.mark.browser


def test_look_and_take_home(server, new_tab, tmp_path):
    page = new_tab(f"{server}/two_models")
    expect(page.get_by_role("heading", name="Two models, one sum")).to_be_visible()
    at_least(page.get_by_test_id("stVegaLiteChart"), 7)
    settled(page)
    page.get_by_role("button", name="shaped to show this").click()  # the keyboard reaches it: it is a button
    expect(page.get_by_role("dialog").get_by_role("heading", name="The shaped model of Abacus")).to_be_visible()
    page.keyboard.press("Escape")
    page.get_by_test_id("stButtonGroup").get_by_text("2", exact=True).click()
    in_the_link(page, "two_digits=2")
    settled(page)
    page.get_by_test_id("stPopoverButton").filter(has_text="Download").nth(1).click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="JSON", exact=True).click()
    waiting.value.save_as(tmp_path / "heads.json")
    found = json.loads((tmp_path / "heads.json").read_text())
    assert set(found["models"]) == {row["model"] for row in found["rows"]} == {"shaped", "plain"}


def test_open_a_question_on_its_page(server, new_tab):
    page = new_tab(f"{server}/two_models")
    at_least(page.get_by_test_id("stVegaLiteChart"), 7)
    settled(page)
    page.get_by_role("button").filter(has_text="shaped model").first.click()  # charts have buttons so labelled
    expect(page.get_by_role("heading", name="Arithmetic heads", exact=True)).to_be_visible()
    expect(page.get_by_label("One prompt per line").first).to_have_value("3 + 5 =")
