"""The logic chain in a real browser: looked at, clicked, reopened from its link, taken home."""

import networkx as nx
import pytest
from playwright.sync_api import expect

pytestmark = pytest.mark.browser


def idle(page):
    """Waits until the page has been drawn to its end: a rerun closes what was just opened."""
    page.wait_for_timeout(500)
    expect(page.get_by_test_id("stStatusWidget")).to_have_count(0)


def test_from_prompt_to_graph_file(server, new_tab, tmp_path):
    page = new_tab(f"{server}/logic_chain")
    expect(page.get_by_role("heading", name="3 · How is it connected?")).to_be_visible()
    page.get_by_label("Prompt", exact=True).fill("9-2=")
    page.get_by_role("button", name="Look inside").click()
    expect(page.get_by_text("goes from").first).to_contain_text("7")
    page.get_by_label("Neuron", exact=True).fill("7_12")
    page.get_by_label("Neuron", exact=True).press("Enter")
    expect(page.get_by_role("heading", name="Neuron 7_12")).to_be_visible()
    idle(page)
    page.get_by_role("button", name="Download the graph").click()
    with page.expect_download() as waiting:
        page.get_by_role("button", name="GRAPHML").click()
    waiting.value.save_as(tmp_path / "chain.graphml")
    graph = nx.read_graphml(tmp_path / "chain.graphml")
    assert len(graph) == 40
    assert graph.graph["prompt"].endswith("9 - 2 =")

    assert "9-2" in page.url
    assert "7_12" in page.url
    again = new_tab(page.url)  # the view reopens from its link, in another session
    expect(again.get_by_role("heading", name="Neuron 7_12")).to_be_visible()
    expect(again.get_by_label("Prompt", exact=True)).to_have_value("9-2=")


def test_a_click_on_the_graph_opens_a_card(server, new_tab):
    page = new_tab(f"{server}/logic_chain")
    chart = page.get_by_test_id("stVegaLiteChart").filter(has=page.locator("canvas, svg")).nth(2)
    idle(page)
    chart.scroll_into_view_if_needed()
    page.wait_for_timeout(1500)
    box = chart.bounding_box()
    clicked = False
    for x in (0.72, 0.68, 0.76, 0.8, 0.64, 0.84):  # somewhere in the columns of deep neurons
        for step in range(1, 24):
            page.mouse.click(box["x"] + x * box["width"], box["y"] + step / 24 * box["height"])
            page.wait_for_timeout(60)
        if page.get_by_role("heading", name="Neuron ").count():
            clicked = True
            break
        page.wait_for_timeout(1500)
        if page.get_by_role("heading", name="Neuron ").count():
            clicked = True
            break
    assert clicked, "no click on the graph opened a neuron's card"
