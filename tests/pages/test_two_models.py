"""The page Two models, one sum, without a browser, on findings made by hand; and its sentences."""

import json
import re
import time
from dataclasses import replace

import pytest
from streamlit.testing.v1 import AppTest

from core.errors import UserError
from core.findings import side_by_side
from core.findings.record import Findings
from core.findings.seeds import Seeds
from core.findings.side_by_side import SideBySide
from pages.shared.resources import residence
from pages.two_models import charts, luck, tables, words
from pages.two_models.paragraph import compared, paragraph
from tests.core.findings.made import made_findings, made_seeds
from tests.pages.test_arithmetic_heads import texts

PAGE = "pages/two_models/page.py"


@pytest.fixture
def both():
    return SideBySide(made_findings("shaped"), made_findings("plain", 0.5))


def empty(found: Findings) -> Findings:
    """The same without any answer."""
    return replace(found, heads=(), neuron_sets=(), filters=(), mediation=(), adapters=(), skew=None, one_sum=None)


@pytest.fixture
def opened(monkeypatch):
    def page(found: SideBySide, seeds: Seeds | None = None) -> AppTest:
        monkeypatch.setattr(side_by_side, "read_side_by_side", lambda: found)
        monkeypatch.setattr(luck, "read_seeds", lambda folder: seeds)
        return AppTest.from_file("../../app.py", default_timeout=120).run().switch_page(PAGE).run()

    return page


def test_the_page(opened, both):
    app = opened(both)
    assert not app.exception
    assert not app.error
    assert app.title[0].value == "Two models, one sum"
    assert paragraph(both) in texts(app)
    assert any("Computed by `make accept`" in c.value and "2026-11-21 20:00 UTC" in c.value for c in app.caption)
    assert len(app.get("vega_lite_chart")) == 12  # one of each model, or one of both
    for said in (words.one_sum_heads, words.flow, words.tasks, words.shallow, words.adapters, words.skew):
        assert said(both) in texts(app)
    assert words.many_heads(both, "+", 1) in texts(app)
    app.button_group(key="two_digits").set_value(2).run()
    assert words.many_heads(both, "+", 2) in texts(app)
    app.button_group(key="two_operation").set_value("*").run()
    assert not app.exception
    assert "The shaped model: not measured." in texts(app)


def test_a_link_opens_the_page_with_the_question_and_the_model(opened, both):
    app = opened(both)
    app.button(key="open two-models-one-sum plain").click().run()
    try:
        assert not app.exception
        assert app.title[0].value == "Arithmetic heads"
        assert app.text_area(key="own").value == "3 + 5 ="
        end = time.monotonic() + 120
        while residence().loaded is None or residence().model().name != "bundled/plain":
            assert time.monotonic() < end
            time.sleep(0.1)
    finally:
        residence().change("bundled", "auto", by="the test")


def test_a_link_to_the_sweep_sets_its_widgets(opened, both):
    app = opened(both)
    app.button(key="open two-models-heads shaped").click().run()
    assert app.title[0].value == "Arithmetic heads"
    assert app.button_group(key="operations").value == ["+"]
    assert app.button_group(key="digits").value == [1]
    assert app.slider(key="count").value == both.shaped.settings.prompts
    assert app.button_group(key="pool").value == "within digits"


def test_without_findings_the_page_says_what_to_do(monkeypatch):
    def refuse():
        raise UserError("The findings of the plain model cannot be shown. Run `make accept`.")

    monkeypatch.setattr(side_by_side, "read_side_by_side", refuse)
    app = AppTest.from_file("../../app.py", default_timeout=120).run().switch_page(PAGE).run()
    assert not app.exception
    assert "make accept" in app.error[0].value
    assert not app.get("vega_lite_chart")


def test_the_paragraph_follows_the_numbers(both):
    said = paragraph(both)
    assert 60 <= len(said.split()) <= 135
    assert (
        "(1_0) loses 90% [85, 95] of its right digits in one-digit sums, and the plain one (1_0) 45% [40, 50]" in said
    )
    found = compared(both)
    assert [name for name, how in found.items() if how == "cannot tell"] == [
        "the place of early FFNs",
        "the place of late FFNs",
    ]
    assert "In 4 of 6 questions they clearly differ, but not in the place of early FFNs and" in said
    same = SideBySide(both.shaped, replace(both.shaped, model=both.plain.model))
    assert "In none of 6 questions do they clearly differ." in paragraph(same)
    assert "may come from its shaping" not in paragraph(same)
    wrong = replace(both.plain, one_sum=replace(both.plain.one_sum, right=False, predicted="7"))
    assert "the shaped model says 8 and the plain model says `7`" in paragraph(SideBySide(both.shaped, wrong))


def test_what_was_not_measured_is_told_with_its_reason(both):
    why = {"heads + 1": "None of 100 prompts is answered right.", "skew": "It knows no professions."}
    empty = replace(
        both.plain,
        heads=(),
        neuron_sets=(),
        filters=(),
        mediation=(),
        adapters=(),
        skew=None,
        one_sum=None,
        missing=why,
    )
    half = SideBySide(both.shaped, empty)
    assert "None of 100 prompts is answered right." in words.many_heads(half, "+", 1)
    assert "It knows no professions." in words.skew(half)
    assert "clearly" not in paragraph(half)
    for said in (words.one_sum_heads, words.flow, words.shallow, words.adapters):
        assert "not measured" in said(half)
        assert "clearly" not in said(half)
    for table in (tables.one_sum_heads, tables.neurons, tables.flow, tables.filters, tables.adapters, tables.skew):
        assert set(table(half)["model"]) == {"shaped"}


def test_charts_are_drawn_of_one_model_too(opened, both):
    app = opened(SideBySide(both.shaped, empty(both.plain)))
    assert not app.exception
    assert len(app.get("vega_lite_chart")) == 8


@pytest.mark.parametrize("draw", ["one sum", "heads", "neurons", "flow"])
def test_both_models_have_one_scale(both, draw):
    panels = {
        "one sum": lambda: charts.head_maps(tables.one_sum_heads(both), False, "decrease"),
        "heads": lambda: charts.head_maps(tables.heads(both, "+", 1), False, "decrease"),
        "neurons": lambda: charts.neuron_bars(tables.neurons(both), False),
        "flow": lambda: charts.flow_maps(tables.flow(both), False),
    }[draw]()
    specs = [panel.to_dict() for panel in panels]
    assert [spec["title"] for spec in specs] == ["shaped model", "plain model, not shaped"]
    first, second = (re.findall(r'"domain": \[[^\]]*\]', json.dumps(spec)) for spec in specs)
    assert first == second != []


def test_unfinished_adapters_are_left_out(both):
    assert set(tables.adapters(both)["question"]) == {"adapter on layer 0", "adapter on layer 1"}
    assert "an adapter on layer 1, the highest of 2; with layer 0 the intervals overlap." in words.adapters(both)


def test_sets_are_named_by_their_size(both):
    names = [name for name, _ in tables.sets_by_size(both.shaped)]
    assert names == ["layers 0 to 2, smaller set", "layers 0 to 2, larger set"]
    assert words.largest_set(both.shaped).neurons == 100


def test_seeds_stand_beside_each_other(opened, both):
    seeds = made_seeds(1.0, 0.5, 0.75)
    app = opened(both, seeds)
    assert not app.exception
    assert luck.sentence(seeds) in texts(app)
    table = app.dataframe[-1].value
    assert list(table.columns) == ["prompts", "seed 0", "seed 1", "seed 2"]
    assert table["seed 1"].tolist() == ["1_0, 0_1; 45% [40, 50]; 2 matter"]
    assert "*lost without the top head, 1-digit +*: from 45.0% [40.0, 50.0] to 90.0% [85.0, 95.0]" in texts(app)
    assert "1_0 in seed 0, 1_1 in seed 1 and 1_2 in seed 2" in texts(app)
    assert set(luck.points(seeds)["question"]) == set(luck.FIGURES) - {
        "where heads matter, 1-digit + (0%: first layer, 100%: last)",
        "late FFNs at the last position",
    }


@pytest.mark.parametrize("seeds", [None, made_seeds(1.0)])
def test_one_training_tells_nothing_about_luck(opened, both, seeds):
    app = opened(both, seeds)
    assert "Only one training of the plain model was measured" in app.info[-1].value
