"""Every page in a real browser on Llama-3's vocabulary, with a small model that writes a blank before its answer."""

import pytest
from playwright.sync_api import expect

from tests.browser.conftest import start_server
from tests.browser.steps import CELLS, at_least, done, settled
from tests.tokenizers.trained import trained

pytestmark = pytest.mark.browser
PROMPT = "3 %2B 5 %3D"


@pytest.fixture(scope="module")
def llama3_server(tmp_path_factory):
    """A server that begins with the model, and keeps what is trained in a folder of the test."""
    with pytest.MonkeyPatch.context() as patch:
        patch.setenv("ABACUS_MODEL", str(trained("llama3")))
        patch.setenv("ABACUS_DATA", str(tmp_path_factory.mktemp("data")))
        process, url = start_server()
    yield url
    process.terminate()
    process.wait(20)


@pytest.fixture
def opened(llama3_server, new_tab):
    """Opens a page by its link and waits until it is drawn; at the end no page shows an exception."""
    pages = []

    def open_page(link):
        page = new_tab(f"{llama3_server}/{link}")
        pages.append(page)
        expect(page.get_by_test_id("stMain").get_by_role("heading").first).to_be_visible()
        settled(page)
        return page

    yield open_page
    assert pages
    for page in pages:
        done(page)
        expect(page.get_by_test_id("stException")).to_have_count(0)


def said(page, *texts):
    for text in texts:
        expect(page.get_by_test_id("stMain").get_by_text(text, exact=False).first).to_be_visible()


def press(page, name):
    page.get_by_test_id("stMain").get_by_role("button", name=name, exact=True).click()


def test_ask(opened):
    page = opened(f"?prompt={PROMPT}")
    said(page, "Read after token 6, ␣: there the model predicts 8", "so it is added to the prompt")
    said(page, "Continuing with the most likely token each time: 8 and it ends there")
    page.get_by_test_id("stMain").get_by_role("radio", name="5 ␣=").click()
    said(page, "Read after token 5, ␣=: there the model predicts ␣")


def test_arithmetic_heads(opened):
    page = opened("arithmetic_heads?count=5")
    press(page, "Run")
    at_least(page.locator(CELLS), 4 * 4)
    done(page)


def test_logic_chain(opened):
    page = opened(f"logic_chain?chain_prompt={PROMPT}&k=20")
    said(page, "3 · How is it connected?")
    expect(page.get_by_text("goes from").first).to_contain_text("8")
    at_least(page.locator('[data-testid="stVegaLiteChart"] path[aria-label*="kind: deep;"]'), 1)


def test_find_neurons(opened):
    page = opened("find_neurons?word=eight&found=10")
    said(page, "of 128,256 tokens")
    at_least(page.get_by_test_id("stMain").get_by_test_id("stVegaLiteChart"), 1)


def test_causal_mediation(opened):
    page = opened("causal_mediation?pairs=5&pair_operations=%2B&pair_operations=-")
    press(page, "Run")
    said(page, "The paper (CMA)")
    at_least(page.locator('[data-testid="stVegaLiteChart"] path[aria-label*="indirect effect"]'), 8)


def test_what_if(opened):
    page = opened(f"what_if?bench_prompts={PROMPT}")
    said(page, "Read after token 6, ␣: there the model predicts 8")
    box = page.get_by_label("layer_index", exact=True)
    box.fill("2_17")
    box.press("Tab")
    settled(page)
    press(page, "Add")
    said(page, "Greedy (the most likely token each time): ␣8", "Accuracy by operation")
    done(page)
    expect(page.get_by_text("There are no edits yet")).to_have_count(0)
    expect(page.get_by_text("Switch at least one edit on")).to_have_count(0)


def test_gender_bias(opened):
    page = opened("gender_bias")
    press(page, "Run")
    said(page, "Total")
    done(page)


def test_an_adapter_is_trained_and_offered_for_pruning(opened):
    page = opened("lora_comparison?lora_layers=1&lora_rank=1&lora_epochs=1&lora_prompts=32&lora_prompt=" + PROMPT)
    press(page, "Train")
    said(page, "Saved in", "Neurons that the adapter on")
    done(page)
    other = opened("pruning")
    said(other, "Press Find")
