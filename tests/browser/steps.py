"""What every journey does: wait until a page is drawn, and read what comes in its own time."""

import re
import time
from collections.abc import Callable
from typing import TypeVar

from playwright.sync_api import Locator, Page, expect

T = TypeVar("T")
CELLS = '[data-testid="stVegaLiteChart"] path[aria-label^="head: "][aria-label*="relative decrease"]'
QUIET = 400  # milliseconds without a run
_SINCE = """() => { window.quietSince = performance.now() }"""
_IS_QUIET = """milliseconds => {
    const app = document.querySelector('[data-testid=stApp]')?.dataset ?? {};
    const drawn = app.testScriptState === 'notRunning' && app.testConnectionState === 'CONNECTED'
        && !document.querySelector('[data-stale=true], [data-testid=stSkeleton]');
    if (!drawn) window.quietSince = performance.now();
    return performance.now() - window.quietSince > milliseconds;
}"""


def settled(page: Page) -> None:
    """Waits until the page is connected, drawn to its end, and no run has been under way for a moment."""
    page.evaluate(_SINCE)
    page.wait_for_function(_IS_QUIET, arg=QUIET)


def done(page: Page) -> None:
    """Waits until nothing is computed for the page any more, and it is drawn."""
    expect(page.get_by_test_id("stMain").get_by_role("progressbar")).to_have_count(0)
    settled(page)


def eventually(page: Page, read: Callable[[], T], accept: Callable[[T], bool], seconds: float = 120) -> T:
    """Reads from a page until what is read can be accepted, and is the same twice in a row."""
    end, before = time.monotonic() + seconds, None
    while True:
        found = read()
        if accept(found) and found == before:
            return found
        assert time.monotonic() < end, found
        before = found
        page.wait_for_timeout(100)


def at_least(locator: Locator, n: int) -> None:
    """Waits until there are n of them."""
    expect(locator.nth(n - 1)).to_be_attached()


def in_the_link(page: Page, part: str) -> None:
    """Waits until the address holds something."""
    expect(page).to_have_url(re.compile(re.escape(part)))


def cell(page: Page, layer: int, head: int) -> Locator:
    """A head in the heatmap."""
    return page.locator(f'[data-testid="stVegaLiteChart"] path[aria-label^="head: {head}; layer: {layer};"]').first


def run_sweep(page: Page) -> None:
    """Presses Run on the page Arithmetic heads, and waits for the heatmap."""
    settled(page)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.locator(CELLS).first).to_be_visible()
    done(page)
