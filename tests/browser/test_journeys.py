"""What a person does, in a real browser."""

import io
import json

import pandas as pd
import pytest
from playwright.sync_api import expect

from tests.browser.steps import CELLS, at_least, cell, done, in_the_link, run_sweep, settled
from tests.some import some

pytestmark = pytest.mark.browser


def test_main_journey_by_a_cold_link(cold_server, new_tab):
    """Open the page by its link, run, click a head, see answers change, download."""
    page = new_tab(f"{cold_server}/arithmetic_heads?count=10")
    expect(page.get_by_role("heading", name="Arithmetic heads")).to_be_visible()
    expect(page.get_by_text("Page not found")).to_have_count(0)
    run_sweep(page)
    at_least(page.locator(CELLS), 64)
    expect(page.get_by_text("Without head", exact=False).first).to_be_visible()

    labels = page.locator(CELLS).evaluate_all("cells => cells.map(c => c.getAttribute('aria-label'))")
    worst = max(labels, key=lambda label: float(label.split("relative decrease: ")[1].split("%")[0].replace("−", "-")))
    head, layer = (int(part.split(": ")[1]) for part in worst.split("; ")[:2])
    cell(page, layer, head).click()
    expect(page.get_by_text(f"Without {layer}_{head},", exact=False)).to_be_visible()
    done(page)
    in_the_link(page, f"heads={layer}_{head}")
    changed = page.get_by_text("answers change.", exact=False).inner_text()
    assert int(changed.split(", ")[1].split(" of ")[0]) > 0

    page.get_by_test_id("stPopoverButton").filter(has_text="Download").first.click()  # the heatmap's
    for ending in "CSV", "JSON", "PNG", "SVG":
        with page.expect_download() as waiting:
            page.get_by_role("button", name=ending, exact=True).click()
        content = waiting.value.path().read_bytes()
        if ending == "CSV":
            assert len(pd.read_csv(io.BytesIO(content))) == 8 * 64
        elif ending == "JSON":
            told = json.loads(content)
            assert told["model"] == "bundled"
            assert told["settings"]["count"] == 10
            assert len(told["rows"]) == 8 * 64
        else:
            assert content.startswith(b"\x89PNG") if ending == "PNG" else b"<svg" in content[:300]

    cell(page, layer, head).click()  # a second click lets it go
    expect(page.get_by_text("Pick heads:", exact=False)).to_be_visible()


def test_a_link_reopens_the_view(server, new_tab, arithmetic_head):
    first = new_tab(f"{server}/arithmetic_heads?count=10")
    run_sweep(first)
    layer, head = arithmetic_head
    cell(first, layer, head).click()
    expect(first.get_by_text(f"Without {layer}_{head},", exact=False)).to_be_visible()
    in_the_link(first, f"heads={layer}_{head}")
    in_the_link(first, "run=1")
    second = new_tab(first.url)
    expect(second.locator(CELLS).first).to_be_visible()
    expect(second.get_by_text(f"Without {layer}_{head},", exact=False)).to_be_visible()


def test_two_tabs_with_different_interventions(server, new_tab, head_names):
    """Each tab's answers are its own, also when both work at the same time."""

    def probability(page):
        return page.get_by_text("goes from", exact=False)

    links = [f"{server}/?prompt=34%2B28%3D&heads={names}" for names in (head_names[0], "&heads=".join(head_names[1:3]))]
    alone = []
    for link in links:
        page = new_tab(link)
        expect(probability(page)).to_be_visible()
        settled(page)
        alone.append(probability(page).inner_text())
    assert alone[0] != alone[1]
    tabs = [new_tab(link) for link in links]
    for page in tabs:
        settled(page)
    for _ in range(4):
        for page in tabs:
            page.get_by_role("button", name="Ask", exact=True).click()
    for page, before in some(zip(tabs, alone, strict=True)):
        settled(page)
        expect(probability(page)).to_have_text(before, use_inner_text=True)
    plain = new_tab(f"{server}/?prompt=34%2B28%3D")
    expect(plain.get_by_text("and it ends there", exact=False)).to_be_visible()
    settled(plain)
    expect(probability(plain)).to_have_count(0)


def test_stop_and_waiting_in_turn(server, new_tab):
    long = f"{server}/arithmetic_heads?count=400&digits=1&digits=2&digits=3&seed="
    first, second = (new_tab(long + seed) for seed in ("11", "12"))
    for page in (first, second):
        settled(page)
    first.get_by_role("button", name="Run", exact=True).click()
    expect(first.get_by_test_id("stMain").get_by_role("button", name="Stop")).to_be_visible()
    second.get_by_role("button", name="Run", exact=True).click()
    expect(second.get_by_text("Another computation is running", exact=False)).to_be_visible()
    first.get_by_test_id("stMain").get_by_role("button", name="Stop").click()
    expect(first.get_by_text("Stopped", exact=False).first).to_be_visible()
    expect(second.get_by_role("progressbar").first).to_be_visible()
    second.get_by_test_id("stMain").get_by_role("button", name="Stop").click()
    expect(second.get_by_text("Stopped", exact=False).first).to_be_visible()


@pytest.mark.parametrize(("prompt", "words"), [("3 + zzyzx =", "zzyzx"), ("3 " * 300, "at most")])
def test_bad_prompts(server, new_tab, prompt, words):
    page = new_tab(server)
    box = page.get_by_label("Prompt", exact=True)
    expect(box).to_be_visible()
    settled(page)
    box.fill(prompt)
    box.press("Enter")  # by keyboard
    expect(page.get_by_role("alert").filter(has_text=words)).to_be_visible()
    settled(page)
    box.fill("3+5=")
    box.press("Enter")
    expect(page.get_by_text("and it ends there", exact=False)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_fits_at_1280_pixels_in_both_themes(server, new_tab, head_names, scheme):
    page = new_tab(f"{server}/?heads={head_names[0]}", color_scheme=scheme)
    expect(page.get_by_text("goes from", exact=False)).to_be_visible()
    settled(page)
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    ground = page.evaluate("getComputedStyle(document.querySelector('[data-testid=stApp]')).backgroundColor")
    assert (sum(map(int, ground.removeprefix("rgb(").rstrip(")").split(",")[:3])) < 200) == (scheme == "dark")
