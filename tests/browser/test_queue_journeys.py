"""Several tabs at one queue, in a real browser: closed tabs, reloaded tabs, work of one's own."""

import re
import time

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import start_server
from tests.browser.steps import CELLS, eventually, in_the_link, settled

pytestmark = pytest.mark.browser

LONG = "arithmetic_heads?count=400&digits=1&digits=2&digits=3&templates=0&templates=1&templates=2&templates=3&seed="
SOON = 60  # seconds: far less than the long sweep, far more than the grace


@pytest.fixture(scope="module")
def own_server():
    """A server whose queue nobody else uses."""
    process, url = start_server()
    yield url
    process.terminate()
    process.wait(20)


def start_long(page):
    settled(page)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_test_id("stMain").get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_test_id("stMain").get_by_text("left", exact=False).first).to_be_visible()


def share(page):
    """How far the bar is, in percent."""
    text = page.get_by_test_id("stMain").get_by_text(re.compile(r": \d+%")).first.inner_text()
    return int(re.search(r": (\d+)%", text)[1])


def stop(page):
    page.get_by_test_id("stMain").get_by_role("button", name="Stop").click()
    expect(page.get_by_text("Stopped", exact=False).first).to_be_visible()


def test_a_closed_tab_holds_nobody_up(own_server, new_tab):
    first = new_tab(f"{own_server}/{LONG}21")
    start_long(first)
    second = new_tab(f"{own_server}/arithmetic_heads?count=5&operations=%2B&digits=1&seed=22")
    settled(second)
    second.get_by_role("button", name="Run", exact=True).click()
    expect(second.get_by_text("Another computation is running", exact=False)).to_be_visible()
    expect(second.get_by_text("number 1 in the queue", exact=False).first).to_be_visible()
    first.close()
    began = time.monotonic()
    expect(second.locator(CELLS).first).to_be_visible()
    assert time.monotonic() - began < SOON


def test_stop_after_a_reload_speaks_of_nobody_else(own_server, new_tab):
    page = new_tab(f"{own_server}/{LONG}31")
    start_long(page)
    page.reload()  # a new session; run=1 in the link asks for the same again, and takes the job over
    expect(page.get_by_test_id("stMain").get_by_role("progressbar")).to_be_visible()
    page.get_by_test_id("stMain").get_by_role("button", name="Stop").click()
    for _ in range(10):
        assert page.get_by_text("someone else", exact=False).count() == 0
        page.wait_for_timeout(200)
    expect(page.get_by_text("Stopped", exact=False).first).to_be_visible()


def test_a_pruning_search_after_a_reload_speaks_of_nobody_else(own_server, new_tab):
    page = new_tab(f"{own_server}/pruning")

    settled(page)
    page.get_by_role("button", name="Find", exact=True).click()
    expect(page.get_by_test_id("stMain").get_by_role("progressbar")).to_be_visible()
    in_the_link(page, "run=1")
    page.reload()  # a new session; run=1 in the link asks for the same again, and takes the job over
    expect(page.get_by_test_id("stMain").get_by_role("progressbar")).to_be_visible()
    page.get_by_test_id("stMain").get_by_role("button", name="Stop").click()
    for _ in range(10):
        assert page.get_by_text("someone else", exact=False).count() == 0
        page.wait_for_timeout(200)
    expect(page.get_by_text("Stopped", exact=False).first).to_be_visible()


def test_ones_own_work_is_ended_from_another_page(own_server, new_tab):
    page = new_tab(f"{own_server}/{LONG}41")
    start_long(page)
    page.get_by_role("link", name="Ask the model").click()
    expect(page.get_by_role("heading", name="Ask the model")).to_be_visible()
    sidebar = page.get_by_test_id("stSidebar")
    expect(sidebar.get_by_text("Your work")).to_be_visible()
    expect(sidebar.get_by_text("Ablating every head", exact=False)).to_be_visible()
    page.wait_for_timeout(6500)  # longer than the grace: the page was left, the tab is there
    expect(sidebar.get_by_text("Ablating every head", exact=False)).to_be_visible()
    sidebar.get_by_role("button", name="End").click()
    expect(sidebar.get_by_text("Your work")).to_have_count(0)


def test_asking_anew_gives_the_former_sweep_up(own_server, new_tab):
    page = new_tab(f"{own_server}/{LONG}51")
    start_long(page)
    reached = eventually(page, lambda: share(page), lambda percent: percent >= 5)
    seed = page.get_by_test_id("stMain").get_by_role("spinbutton", name="Seed")
    seed.fill("52")
    seed.press("Tab")  # what is typed counts when the field is left
    page.wait_for_timeout(600)  # the bar redraws twice a second: the form must have taken the number before Run
    page.get_by_role("button", name="Run", exact=True).click()
    in_the_link(page, "seed=52")
    eventually(page, lambda: share(page), lambda percent: percent < reached)  # the former bar is gone, and its Stop
    expect(page.get_by_test_id("stMain").get_by_role("progressbar")).to_be_visible()
    expect(page.get_by_test_id("stSidebar").get_by_text("Ablating every head", exact=False)).to_have_count(1)
    stop(page)
