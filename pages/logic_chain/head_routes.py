"""Part 4 of the logic chain: what a head brings to one neuron, by position, by head of the layer, by earlier output."""

import altair as alt
import pandas as pd
import streamlit as st

from core.chain.case import LogicCase
from core.chain.head_paths import HeadPaths, head_paths
from core.chain.reach import reaches
from core.hooks import check_neuron
from core.model.load import LoadedModel
from core.types import Neuron
from pages.logic_chain.notebook import notebook_route
from pages.logic_chain.route_charts import key_bars, source_lines
from pages.logic_chain.settings import RouteSettings
from pages.shared.claims.badge import finding
from pages.shared.job_slot import job_slot
from pages.shared.neuron_card import CARD, neuron_of
from pages.shared.present import downloads, short_number
from pages.shared.theme import is_dark
from pages.shared.words import code, head_name, three_digits, visible

MOST = "the one it brings most from"
MOST_HEADS = 12  # of a layer, in the chart
PLACE = "place"
WEIGHTS = {
    "weight": short_number("weight", "Inner product with the neuron's keys, up and gate together; above 0 enhances."),
    "weight_up": short_number("up", "By the up key alone."),
    "weight_gate": short_number("gate", "By the gate key alone; 0 in models without a gate."),
    "weight_layer": short_number("whole layer", "Of all heads of the layer together."),
    "attention": short_number("attention", "Of the head, from the last position."),
}


def head_routes(lm: LoadedModel, case: LogicCase) -> None:
    """The way from the input to one neuron through one of the ablated heads."""
    st.header("4 · What do the heads bring to a neuron?")
    neuron = _neuron(lm, case)
    if neuron is None:
        st.info("No neuron of the list reads what these heads write.", icon=":material/info:")
        return
    name = head_name(*neuron)
    heads = [head for head in case.heads if reaches(lm, head, neuron)]
    if not heads:
        st.markdown(f"Neuron {name} lies below these heads, so it reads nothing of what they write.")
        return
    settings = _controls(case, heads, neuron)
    found = job_slot(
        lm,
        "head route",
        settings,
        f"Following head {head_name(*settings.head)} to neuron {name}",
        lambda p: head_paths(lm, case.run, settings.head, settings.neuron, settings.at, p),
        "",
        start="auto",
    )
    if found is not None:
        _show(lm, case, found.result, settings)


def _neuron(lm: LoadedModel, case: LogicCase) -> Neuron | None:
    """The picked neuron, else the root; None where there is neither."""
    picked = st.session_state.get(CARD)
    if picked:
        layer, index = neuron_of(picked)
        check_neuron(lm, layer, index)
        return layer, index
    return None if case.features is None else case.features.root


def _controls(case: LogicCase, heads: list[tuple[int, int]], neuron: Neuron) -> RouteSettings:
    root = case.features is not None and case.features.root == neuron and not st.session_state.get(CARD)
    what = "the root: the lowest neuron of the list that reads the heads" if root else "picked above"
    st.markdown(
        f"Neuron **{head_name(*neuron)}**, {what} (pick another one in part 2). Its up and gate keys say what raises "
        "it; the weights below are inner products of what arrives with these keys."
    )
    first, second = st.columns(2)
    names = [head_name(*head) for head in heads]
    if st.session_state.get("route_head", names[0]) not in names:
        st.session_state.pop("route_head")
    head = first.segmented_control(
        "Head", names, default=names[0], key="route_head", bind="query-params", required=True
    )
    places = [MOST, *(str(position) for position in range(len(case.run.ids)))]
    if st.session_state.get("route_at", MOST) not in places:
        st.session_state.pop("route_at")
    place = second.selectbox(
        "Look closer at position",
        places,
        key="route_at",
        bind="query-params",
        help="Whose heads, earlier outputs and origins are shown. The paper's notebook looks at the last position.",
    )
    return RouteSettings(tuple(case.run.ids), heads[names.index(head)], neuron, None if place == MOST else int(place))


def _show(lm: LoadedModel, case: LogicCase, paths: HeadPaths, settings: RouteSettings) -> None:
    positions = _placed(paths, paths.positions_frame())
    through = paths.strongest_attention
    origins = None if through is None else _placed(paths, paths.origins_frame(through))
    _charts(paths, positions, origins)
    finding(lm, "flow", _sentence(paths), "head routes")
    st.caption(
        "Inner products with the neuron's keys, times the sign of its own score, without the norm's scale of the "
        "neuron and without biases. The first row is weighted by this head's attention. The second is not: it also "
        "scores what the head did not look at."
    )
    with st.expander("Table"):
        _tables(paths, positions, origins)
    downloads("head-route", lm, settings, paths.to_frame(), lambda dark: key_bars(positions, dark, PLACE, "position"))
    notebook_route(lm, case, paths)


def _placed(paths: HeadPaths, frame: pd.DataFrame) -> pd.DataFrame:
    """A table of positions with their names for a chart."""
    return frame.assign(**{PLACE: [f"{p} {visible(token)}" for p, token in enumerate(paths.tokens)]})


def _charts(paths: HeadPaths, positions: pd.DataFrame, origins: pd.DataFrame | None) -> None:
    head, at, dark = head_name(*paths.head), paths.at, is_dark()
    layer_heads = paths.heads_frame(at).head(MOST_HEADS)
    layer_heads["name"] = [head_name(paths.head[0], other) for other in layer_heads["head"]]
    first, second = st.columns(2)
    with first:
        _chart(f"What head {head} brings from each position", key_bars(positions, dark, PLACE, "position"))
    with second:
        title = f"What each head of layer {paths.head[0]} brings from position {at}"
        _chart(title, key_bars(layer_heads, dark, "name", "head"))
    third, fourth = st.columns(2)
    with third:
        title = f"What was written at position {at}, carried by head {head}"
        _chart(title, source_lines(paths.sources_frame(), dark))
    with fourth:
        if origins is not None:
            title = f"From where attention layer {paths.strongest_attention} brought it to position {at}"
            _chart(title, key_bars(origins, dark, PLACE, "position"))


def _tables(paths: HeadPaths, positions: pd.DataFrame, origins: pd.DataFrame | None) -> None:
    tables = {
        "From each position": positions.drop(columns=PLACE),
        f"Heads of layer {paths.head[0]} at position {paths.at}": paths.heads_frame(paths.at),
        f"What was written at position {paths.at}": paths.sources_frame(),
    }
    if origins is not None:
        tables[f"Origins of attention {paths.strongest_attention}"] = origins.drop(columns=PLACE)
    for title, frame in tables.items():
        st.caption(title)
        st.dataframe(frame, hide_index=True, height=220, column_config=WEIGHTS)


def _chart(title: str, chart: alt.Chart) -> None:
    st.markdown(f"**{title}**")
    st.altair_chart(chart, alt=title)


def _sentence(paths: HeadPaths) -> str:
    positions, sources = paths.positions_frame(), paths.sources_frame()
    told = (
        f"Head {head_name(*paths.head)} brings neuron {head_name(*paths.neuron)} most from position {paths.via}, "
        f"{code(paths.tokens[paths.via])} (weight {three_digits(positions['weight'][paths.via])}). Of what was written "
        f"at position {paths.at}, it would carry the output of **{sources['source'][0]}** furthest "
        f"({three_digits(sources['weight'][0])})."
    )
    if (through := paths.strongest_attention) is not None:
        origins = paths.origins_frame(through)
        best = origins.loc[origins["weight"].idxmax()]
        told += (
            f" The strongest attention layer there is {through}; it brought most from position {best['position']}, "
            f"{code(best['token'])} ({three_digits(best['weight'])})."
        )
    return told
