"""Edits in a real browser: two sessions apart, links, files, and a bias edit taken to the bench."""

import json

import pytest
from playwright.sync_api import expect

from core.edits.detect import was_edited
from core.edits.recipe import Recipe, read_recipe
from core.edits.recipe_link import to_link
from core.hooks import ScaleHead, ScaleNeuron
from tests.browser.steps import done, in_the_link, settled

pytestmark = pytest.mark.browser


def measured(page):
    expect(page.get_by_text("All prompts")).to_be_visible()
    done(page)


ALL_HEADS = " ".join(f"{layer}_{head}" for layer in range(8) for head in range(8))  # without them nothing is right


def add(page, names, kind):
    page.get_by_label("layer_index", exact=True).fill(names)
    page.get_by_role("radio", name=kind, exact=True).or_(
        page.get_by_role("button", name=kind, exact=True)
    ).first.click()
    settled(page)
    page.get_by_role("button", name="Add", exact=True).click()
    expect(page.get_by_text(f"{kind} {names.split()[0]}", exact=True)).to_be_visible()
    measured(page)


def said(page) -> str:
    """What the edited column says to the shown prompt."""
    return page.get_by_text("Greedy (the most likely token each time)", exact=False).nth(1).inner_text()


def test_two_sessions_with_their_own_edits(server, new_tab):
    """Each session's answers are its own, also while both work; undo is its own too; a link brings one's edits."""
    first, second = (new_tab(f"{server}/what_if?bench_prompts=34%2B28%3D&bench_count=5") for _ in range(2))
    for page in (first, second):
        measured(page)
    plain = said(first)
    assert plain == said(second)
    add(first, ALL_HEADS, "head")
    mine = said(first)
    for page in (first, second):  # both run again at the same time
        page.get_by_role("button", name="Add", exact=True).click()
    measured(first)
    measured(second)
    assert said(second) == plain
    assert said(first) == mine != plain
    add(second, "7_5", "neuron")
    assert said(first) == mine
    in_the_link(first, "edit=")
    assert first.url != second.url
    third = new_tab(first.url)
    measured(third)
    assert said(third) == mine
    expect(third.get_by_text("head 0_0", exact=True)).to_be_visible()
    first.get_by_role("button", name="Undo").click()
    expect(first.get_by_text("There are no edits yet", exact=False)).to_be_visible()
    measured(first)
    assert said(first) == plain
    assert said(third) == mine


def test_recipe_download_upload_and_export(server, new_tab, bundled, tmp_path):
    edits = (ScaleHead(3, 7, 0.0), ScaleNeuron(7, 5, -1.5))
    page = new_tab(f"{server}/what_if?bench_prompts=34%2B28%3D&bench_count=5&edit={to_link(Recipe.of(bundled, edits))}")
    measured(page)
    with page.expect_download() as waiting:
        page.get_by_role("button", name="Recipe as JSON").click()
    content = waiting.value.path().read_bytes()
    assert read_recipe(content).edits == edits
    page.get_by_text("Export as a model folder").click()
    page.get_by_label("Folder on the computer that runs Abacus").fill(str(tmp_path / "edited"))
    page.get_by_role("button", name="Export", exact=True).click()
    expect(page.get_by_text("1 of 1 prompts have the same most likely next token", exact=False)).to_be_visible()
    assert was_edited("bundled", tmp_path / "edited").edits == edits
    other = new_tab(f"{server}/what_if?bench_prompts=34%2B28%3D&bench_count=5")
    measured(other)
    found = json.loads(content)
    found["model"]["fingerprint"] = "0" * 16
    other.get_by_text("Recipe file", exact=True).click()
    recipe = {"name": "recipe.json", "mimeType": "application/json", "buffer": json.dumps(found).encode()}
    other.locator('input[type="file"]').set_input_files(recipe)
    other.get_by_role("button", name="Use these edits").click()
    expect(other.get_by_text("made with another model", exact=False)).to_be_visible()
    other.get_by_role("button", name="Use it anyway").click()
    expect(other.get_by_text("neuron 7_5", exact=True)).to_be_visible()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_bias_edit_taken_to_the_bench(server, new_tab, scheme):
    page = new_tab(f"{server}/gender_bias?bias_count=5&bias_n=3&bias_draws=2", color_scheme=scheme)
    expect(page.get_by_role("button", name="Run", exact=True)).to_be_visible()
    settled(page)
    page.get_by_role("button", name="Run", exact=True).click()
    expect(page.get_by_text("Total bias is", exact=False)).to_be_visible()
    done(page)
    page.get_by_role("button", name="Edit these neurons").click()
    expect(page.get_by_text("Total bias goes from", exact=False)).to_be_visible()
    done(page)
    page.get_by_role("button", name="Draw the curve").click()
    expect(page.get_by_label("Bias and side effects by number of neurons", exact=False).first).to_be_visible()
    assert page.evaluate("document.documentElement.scrollWidth") <= 1280
    inside = page.evaluate(
        "[...document.querySelectorAll('[data-testid=stVegaLiteChart] canvas, [data-testid=stVegaLiteChart] svg')]"
        ".every(c => c.getBoundingClientRect().right <= 1280)"
    )
    assert inside
    done(page)
    page.get_by_role("button", name="Open them in What-if").click()
    expect(page.get_by_text("were added on the page What-if", exact=False)).to_be_visible()
    page.get_by_role("link", name="What-if").click()
    measured(page)
    expect(page.get_by_role("button", name="Remove")).to_have_count(3)
