"""The logic chain in a real browser: looked at, clicked, reopened from its link, taken home."""

import re

import networkx as nx
import pytest
from playwright.sync_api import expect

from tests.browser.steps import in_the_link, settled

pytestmark = pytest.mark.browser


def test_from_prompt_to_graph_file(server, new_tab, tmp_path):
    page = new_tab(f"{server}/logic_chain")
    expect(page.get_by_role("heading", name="3 · How is it connected?")).to_be_visible()
    settled(page)
    page.get_by_label("Prompt", exact=True).fill("9-2=")
    page.get_by_role("button", name="Look inside").click()
    expect(page.get_by_text("goes from").first).to_contain_text("7")
    page.get_by_label("Neuron", exact=True).fill("7_12")
    page.get_by_label("Neuron", exact=True).press("Enter")
    expect(page.get_by_role("heading", name="Neuron 7_12")).to_be_visible()
    settled(page)  # a run would close the menu that is opened
    page.get_by_role("button", name="Download the graph").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="GRAPHML").click()
    waiting.value.save_as(tmp_path / "chain.graphml")
    graph = nx.read_graphml(tmp_path / "chain.graphml")
    assert len(graph) == 40
    assert graph.graph["prompt"].endswith("9 - 2 =")

    in_the_link(page, "9-2")
    in_the_link(page, "7_12")
    again = new_tab(page.url)  # the view reopens from its link, in another session
    expect(again.get_by_role("heading", name="Neuron 7_12")).to_be_visible()
    expect(again.get_by_label("Prompt", exact=True)).to_have_value("9-2=")


def test_a_click_on_the_graph_opens_a_card(server, new_tab):
    page = new_tab(f"{server}/logic_chain")
    expect(page.get_by_role("heading", name="3 · How is it connected?")).to_be_visible()
    settled(page)
    deep = page.locator('[data-testid="stVegaLiteChart"] path[aria-label*="kind: deep;"]').last
    name = re.search(r"label: (\d+_\d+);", deep.get_attribute("aria-label"))[1]
    deep.click()
    expect(page.get_by_role("heading", name=f"Neuron {name}")).to_be_visible()
