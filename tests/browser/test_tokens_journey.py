"""The token strip in a real browser: another position, its link in a second tab, by mouse and by keyboard."""

import re

import pytest
from playwright.sync_api import expect

from tests.browser.steps import in_the_link, settled

pytestmark = pytest.mark.browser


def said(page, text):
    expect(page.get_by_test_id("stMain").get_by_text(text, exact=False).first).to_be_visible()


def test_a_clicked_token_is_read_and_the_link_opens_there(server, new_tab):
    page = new_tab(server)
    settled(page)
    said(page, "Read after token 4")
    page.get_by_test_id("stMain").get_by_role("radio", name="2 +").click()
    said(page, "Read after token 2")
    in_the_link(page, "read_at=2")
    settled(page)
    other = new_tab(page.url)
    settled(other)
    said(other, "Read after token 2")
    box = other.get_by_role("textbox", name="Prompt")
    box.fill("9-2= ")  # the space is a token of its own for some models; this one drops it
    other.get_by_role("button", name="Ask", exact=True).click()
    said(other, "Read after token 4")
    expect(other).not_to_have_url(re.compile("read_at"))


def test_the_strip_works_by_keyboard_on_a_narrow_screen(server, new_tab):
    page = new_tab(f"{server}/logic_chain")
    page.set_viewport_size({"width": 900, "height": 900})
    settled(page)
    last = page.get_by_test_id("stMain").get_by_role("radio", name="4 =")
    last.focus()
    last.press("ArrowLeft")
    page.keyboard.press("Enter")
    said(page, "Read after token 3")
    in_the_link(page, "read_at=3")
