"""A preset in a browser: it sets the widgets, the link follows, and the link brings it back."""

import pytest
from playwright.sync_api import expect

from tests.browser.steps import done, in_the_link, settled

pytestmark = pytest.mark.browser


def pick(page, name):
    """Picks a preset in the page's menu."""
    page.get_by_role("combobox", name="Preset").click()
    page.get_by_role("option", name=name, exact=True).click()
    settled(page)


def test_a_preset_is_in_the_link(server, new_tab):
    page = new_tab(f"{server}/arithmetic_heads")
    expect(page.get_by_role("heading", name="Arithmetic heads")).to_be_visible()
    settled(page)
    pick(page, "Table 1")
    expect(page.get_by_text("1,600 sentences", exact=False)).to_be_visible()
    for part in ("count=400", "digits=2", "forms=digits", "forms=words"):
        in_the_link(page, part)
    again = new_tab(page.url)
    expect(again.get_by_role("heading", name="Arithmetic heads")).to_be_visible()
    expect(again.get_by_text("1,600 sentences", exact=False)).to_be_visible()
    settled(again)
    expect(again).to_have_url(page.url)


def test_a_preset_sets_parts_that_are_drawn_later(server, new_tab):
    """The first preset looks into another prompt; the set's widgets are away until that is done."""
    page = new_tab(f"{server}/logic_chain?chain_prompt=9-2%3D")
    expect(page.get_by_role("heading", name="CNA logic chain")).to_be_visible()
    done(page)
    pick(page, "Tables 4 and 7")
    done(page)
    in_the_link(page, "neuron_order=")
    expect(page.get_by_label("Prompt", exact=True)).to_have_value("3+5=")
    pick(page, "Tables 15 and 16")
    done(page)
    in_the_link(page, "set_operations=%5C%2F")
    expect(page.get_by_text("head 14_19.", exact=False)).to_be_visible()
