"""Causal mediation in a real browser: run, click a cell, compare with facts, download, share the link, stop."""

import io
from urllib.parse import urlencode

import pandas as pd
import pytest
from playwright.sync_api import expect

from tests.browser.steps import at_least, done, in_the_link, settled

pytestmark = pytest.mark.browser

CELL = '[data-testid="stVegaLiteChart"] path[aria-label*="indirect effect"][aria-label*="{group}"]'


def cells(page, group):
    return page.locator(CELL.format(group=group))


def choose(page, label, option):
    """Opens a select box and takes an option."""
    page.get_by_role("combobox", name=label).first.click()
    page.get_by_role("option", name=option, exact=True).click()


def test_information_flow(server, new_tab):
    page = new_tab(f"{server}/causal_mediation?pairs=10")
    expect(page.get_by_role("heading", name="Causal mediation")).to_be_visible()
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("The paper (CMA)", exact=False).first).to_be_visible()
    done(page)
    at_least(cells(page, "operator"), 16)  # FFN and attention of eight layers
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280

    cells(page, "second operand").nth(3).click()
    expect(page.get_by_text("at second␣operand: IE is", exact=False)).to_be_visible()
    done(page)
    in_the_link(page, "cell=0")
    in_the_link(page, "run=1")

    choose(page, "Compare with", "facts")
    expect(page.get_by_text("importance of the late FFNs at the last position is", exact=False)).to_be_visible()
    done(page)
    at_least(cells(page, "subject"), 16)

    page.get_by_test_id("stPopoverButton").filter(has_text="Download").first.click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="CSV", exact=True).click()
    table = pd.read_csv(io.BytesIO(waiting.value.path().read_bytes()))
    assert set(table["pairs"]) == {"other operands", "facts"}
    assert set(table["site"]) == {"embedding", "ffn", "attention"}

    second = new_tab(page.url)
    expect(second.get_by_text("importance of the late FFNs at the last position is", exact=False)).to_be_visible()
    expect(second.get_by_text("at second␣operand: IE is", exact=False)).to_be_visible()


def test_the_authors_prompts_by_link(server, new_tab):
    """Template set, template, numbers and groups are in the link, and a link brings them back."""
    chosen = {"pair_set": "CMA", "pair_range": "CMA, up to 300", "pair_cma": "Q: What is n1 plus n2? A:"}
    page = new_tab(f"{server}/causal_mediation?pairs=5&flow_groups=CMA&{urlencode(chosen)}")
    expect(page.get_by_role("button", name="Remove Q: What is n1 plus n2? A:")).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("5 pairs, such as", exact=False).first).to_be_visible()
    done(page)
    at_least(cells(page, "middle"), 16)
    at_least(cells(page, "late"), 16)
    in_the_link(page, "pair_set=CMA")
    second = new_tab(page.url)
    expect(second.get_by_text("5 pairs, such as", exact=False).first).to_be_visible()
    at_least(cells(second, "middle"), 16)
    choose(second, "Kind of pair", "facts")
    expect(second.get_by_text("Relations", exact=True)).to_be_visible()


def test_stop(server, new_tab):
    page = new_tab(f"{server}/causal_mediation?pairs=200&pair_digits=2&pair_forms=words&pair_seed=5")
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Run", exact=True).click()
    stop = page.get_by_test_id("stMain").get_by_role("button", name="Stop")
    expect(stop).to_be_visible()
    stop.click()
    expect(page.get_by_text("Stopped", exact=False).first).to_be_visible()
    expect(page.get_by_role("progressbar")).to_have_count(0)
