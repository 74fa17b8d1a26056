"""Charts keep their order when their data change in place, read off the drawn SVG."""

import pytest
from playwright.sync_api import expect

from tests.browser.steps import eventually, settled
from tests.some import some

pytestmark = pytest.mark.browser

NUMBERED = "3+5=", "12345+6="


def drawn(page, half):
    """Axis names, bars' tokens and bars' probabilities from top to bottom, of the left or right chart of the first."""
    chart = page.get_by_test_id("stVegaLiteChart").first

    def from_top(selector, told):
        found = chart.locator(selector).evaluate_all(
            f"""all => all.map(e => {{
                const box = e.getBoundingClientRect(), whole = e.closest('svg').getBoundingClientRect();
                return [box.left - whole.left > whole.width / 2, box.top + box.height / 2, {told}];
            }})"""
        )
        return [text for right, _, text in sorted(found) if right == half]

    bars = from_top('path[aria-roledescription="bar"]', "e.getAttribute('aria-label')")
    names = from_top(".role-axis-label text[text-anchor=end]", "e.textContent")
    shares = [float(bar.split("probability: ")[1].split("%")[0].lstrip("<>")) for bar in bars]
    return names, [bar.split("token: ")[1].split(";")[0] for bar in bars], shares


def redrawn(page, halves, former, n):
    """What is drawn once the chart has moved on from the prompt before and shows n tokens."""
    return eventually(
        page,
        lambda: [drawn(page, half) for half in halves],
        lambda found: found[0][0] != former and all(len(names) == n for names, *_ in found),
    )


@pytest.mark.parametrize(("path", "button", "n"), [("", "Ask", 10), ("logic_chain", "Look inside", 6)])
def test_next_tokens_stay_in_order_of_probability_over_prompts(server, new_tab, path, button, n):
    """The chart of the second prompt is ordered by its own probabilities, not by the rows of the first."""
    page = new_tab(f"{server}/{path}")
    halves = (False, True) if path else (False,)
    seen: list[tuple[bool, list[str]]] = []
    last: list[str] = []
    for prompt in (*NUMBERED, "The capital of France is", "3+5="):
        page.get_by_label("Prompt", exact=True).fill(prompt)
        page.get_by_role("button", name=button, exact=True).click()
        expect(
            page.get_by_text("goes from" if path else "and it ends there").or_(page.get_by_text(" ...")).first
        ).to_be_visible()
        settled(page)
        found = redrawn(page, halves, last, n)
        last = found[0][0]
        for half, (names, tokens, shares) in some(zip(halves, found, strict=True)):
            assert names == tokens, (prompt, names, tokens)
            assert shares == sorted(shares, reverse=True), (prompt, list(zip(tokens, shares, strict=True)))
            seen.append((half, names))
    left = [names for half, names in seen if not half]
    assert left[0] == left[-1]
    assert left[0] != left[1]
