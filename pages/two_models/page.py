"""The page Two models, one sum: what a shaped model and one that nobody shaped show of the same questions."""

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st

from core.errors import UserError
from core.findings.side_by_side import SideBySide, read_side_by_side
from core.prompts.arithmetic import OPERATIONS
from pages.shared.claims.badge import card_button
from pages.shared.present import download_menu, heading
from pages.shared.theme import is_dark
from pages.shared.words import plain
from pages.two_models import charts, tables, words
from pages.two_models.links import BIAS, FILTER, FLOW, LORA, NEURONS, ONE_SUM, Target, many_heads, open_on
from pages.two_models.luck import luck
from pages.two_models.paragraph import paragraph

#: Draws the panels of both models, or one chart of both.
Maker = Callable[[bool], charts.Panels | alt.LayerChart]

EXPLANATION = """
Both models have the same architecture: 8 layers of 8 heads, 128 dimensions, 512 FFN neurons per layer. They differ in
how they were trained, and in their tokenizer. All numbers are stored results, measured with the same settings and the
same prompts by `make accept`; this page computes nothing and needs no model.

*Intervals* are 95%: Wilson's for shares of cases, otherwise a bootstrap over prompts, pairs or professions. *Clearly
more* and *clearly less* mean that two intervals do not overlap; where they do, there may still be a difference that
these prompts are too few to show. An interval says nothing about another training: that is what the seeds are for. The
top head is chosen and reported on the same prompts, which flatters it in both models.
"""


def _shown(
    name: str, both: SideBySide, frame: pd.DataFrame, chart: Maker, said: str, target: Target, about: str
) -> None:
    """A chart, or one for each model, the sentence under it, the link to its page and the downloads.

    Args:
        name: of the downloaded files.
        both: the findings.
        frame: what is drawn.
        chart: draws it, dark or not.
        said: the sentence.
        target: the page that computes it.
        about: what the chart shows, for a screen reader.
    """
    if frame.empty:
        st.info("This was measured in neither model.", icon=":material/info:")
    else:
        _draw(chart(is_dark()), about)
    st.markdown(said)
    with st.container(horizontal=True, vertical_alignment="center"):
        open_on(target, both, name)
        if not frame.empty:
            download_menu(name, _about(both), frame, lambda dark: _picture(chart, dark))


def _draw(drawn: charts.Panels | alt.LayerChart, about: str) -> None:
    """Charts of each model side by side, or below each other where the page is narrow."""
    if isinstance(drawn, list):
        with st.container(horizontal=True):
            for panel in drawn:
                st.altair_chart(panel, width="content", alt=f"{about}: {panel.title}")
    else:
        st.altair_chart(drawn, alt=about)


def _picture(chart: Maker, dark: bool) -> alt.HConcatChart | alt.LayerChart:
    """One picture for a download."""
    drawn = chart(dark)
    return charts.side_by_side(drawn) if isinstance(drawn, list) else drawn


def _about(both: SideBySide) -> dict[str, Any]:
    """What stands in a download beside the rows."""
    return {
        "models": {made: asdict(found.model) for made, found in both.each.items()},
        "measured": {made: found.measured for made, found in both.each.items()},
        "settings": asdict(both.shaped.settings),
    }


def _heads(both: SideBySide) -> None:
    st.header("Which heads does it need?")
    frame = tables.one_sum_heads(both)
    _shown(
        "two-models-one-sum",
        both,
        frame,
        lambda dark: charts.head_maps(frame, dark, "decrease of the answer's probability"),
        words.one_sum_heads(both),
        ONE_SUM,
        "Decrease of the answer's probability without each head",
    )
    st.subheader("And over many sums?")
    left, right = st.columns([3, 2])
    operation = left.segmented_control(
        "Operation",
        OPERATIONS,
        default="+",
        format_func=lambda o: f"\\{o}",
        key="two_operation",
        bind="query-params",
        required=True,
    )
    digits = right.segmented_control(
        "Digits", both.shaped.settings.digits, default=1, key="two_digits", bind="query-params", required=True
    )
    many = tables.heads(both, operation, digits)
    _shown(
        "two-models-heads",
        both,
        many,
        lambda dark: charts.head_maps(many, dark, "relative decrease of accuracy"),
        words.many_heads(both, operation, digits),
        many_heads(operation, digits),
        "Relative decrease of accuracy without each head",
    )


def _neurons(both: SideBySide) -> None:
    st.header("Which neurons carry the answer?")
    frame = tables.neurons(both)
    if len(frame):
        _draw(
            charts.neuron_bars(frame, is_dark()),
            "The neurons whose importance for the sum's answer falls most without the top head",
        )
    sets = tables.neuron_sets(both, words.OPERATION)
    _shown(
        "two-models-neurons",
        both,
        sets,
        lambda dark: charts.interval_points(sets, dark, "answer tokens that turn wrong"),
        words.neurons(both, words.OPERATION),
        NEURONS,
        "Answer tokens lost without the top neurons, and with only these",
    )


def _flow(both: SideBySide) -> None:
    st.header("Where do operands and result pass?")
    frame = tables.flow(both)
    _shown(
        "two-models-flow",
        both,
        frame,
        lambda dark: charts.flow_maps(frame, dark),
        words.flow(both),
        FLOW,
        "Shares of the FFNs' effect by half of the layers and position",
    )
    tasks = tables.importance(both)
    if len(tasks):
        st.altair_chart(
            charts.interval_points(tasks, is_dark(), "share of all FFNs' effect"),
            alt="Relative importance of the late FFNs at the last position by kind of pair",
        )
        st.markdown(words.tasks(both))


def _filter(both: SideBySide) -> None:
    st.header("Does arithmetic need neurons that promote numbers?")
    frame = tables.filters(both)
    _shown(
        "two-models-filter",
        both,
        frame,
        lambda dark: charts.interval_points(frame, dark, "more accuracy lost than without random neurons"),
        words.shallow(both),
        FILTER,
        "Accuracy lost without the filter's neurons beyond that of random ones",
    )
    with st.expander("Table"):
        st.dataframe(tables.filter_table(both), hide_index=True)


def _others(both: SideBySide) -> None:
    st.header("Fine-tuning, and a bias")
    frame = tables.adapters(both)
    _shown(
        "two-models-lora",
        both,
        frame,
        lambda dark: charts.interval_points(frame, dark, "accuracy on the task that adapters are trained on"),
        words.adapters(both),
        LORA,
        "Accuracy with an adapter on each layer",
    )
    skew = tables.skew(both)
    st.markdown(words.skew(both))
    st.dataframe(skew.round(3), hide_index=True, column_config={"nats": "bias (nats)", "times": "times as likely"})
    open_on(BIAS, both, "bias")


def _accuracy(both: SideBySide) -> None:
    frame = tables.accuracy(both)
    missing = {f"{made}: {name}": why for made, found in both.each.items() for name, why in found.missing.items()}
    if len(frame):
        with st.expander("How well do they calculate?"):
            st.dataframe(frame)
    if missing:
        with st.expander(f"What could not be measured ({len(missing)})"):
            for name, why in missing.items():
                st.markdown(f"*{name}*: {plain(why)}")


def page() -> None:
    """Draws the page."""
    heading(
        "Two models, one sum",
        "What does a model that was shaped to show the paper's picture have in common with one that nobody shaped?",
    )
    try:
        both = read_side_by_side()
    except UserError as error:
        st.error(plain(str(error)), icon=":material/error:")
        return
    with st.container(border=True):
        st.markdown(paragraph(both))
        with st.container(horizontal=True):
            for made in both.each:
                card_button(made)
    st.caption(words.computed(both))
    parts: list[Callable[[SideBySide], None]] = [_heads, _neurons, _flow, _filter, _others, _accuracy]
    for part in parts:
        part(both)
    luck()
    with st.expander("How this is computed"):
        st.markdown(EXPLANATION)


page()
