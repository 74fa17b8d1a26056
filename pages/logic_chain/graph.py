"""Part 3 of the logic chain: the graph that connects input, neurons, heads and prediction."""

import re
from collections.abc import Callable
from typing import Any

import networkx as nx
import streamlit as st

from core.chain.case import LogicCase, attention_weighted
from core.chain.export import to_graphml, to_json
from core.chain.prune import prune
from core.model.load import LoadedModel
from pages.logic_chain.graph_chart import chain_chart, edge_frame, node_frame
from pages.logic_chain.settings import ChainSettings
from pages.shared.charts import PICK
from pages.shared.claims.badge import finding
from pages.shared.job_slot import job_slot
from pages.shared.neuron_card import CARD, card_here, pick
from pages.shared.neuron_words import readings_of
from pages.shared.present import as_png, as_svg
from pages.shared.theme import is_dark
from pages.shared.words import code, percent

PAPER, WEIGHTED = "paper's score", "attention-weighted"


def _chain(lm: LoadedModel, case: LogicCase, by: str, settings: ChainSettings) -> nx.DiGraph | None:
    """The whole chain with the chosen weights of its input side."""
    if by == PAPER:
        return case.chain
    found = job_slot(
        lm,
        "attention-weighted chain",
        settings,
        "Weighting the input side by attention",
        lambda p: attention_weighted(lm, case, p),
        "",
        start="auto",
    )
    return None if found is None else found.result


def chain_graph(lm: LoadedModel, case: LogicCase, settings: ChainSettings) -> None:
    """The graph, its sentence and its files."""
    st.header("3 · How is it connected?")
    if case.chain is None:
        st.info(
            "No neuron of the list reads what these heads write, so there is no chain to draw. "
            "Pick heads of lower layers, or show more neurons.",
            icon=":material/info:",
        )
        return
    first, second, third = st.columns(3)
    least = 3 + len(case.heads)
    nodes = first.slider("Nodes", least, 80, 40, key="nodes", bind="query-params")
    weakest = second.slider(
        "Hide connections below",
        0.0,
        1.0,
        0.1,
        0.05,
        key="weakest",
        bind="query-params",
        format="percent",
        help="As a share of the heaviest connection of the same kind. Each node keeps its heaviest outgoing one.",
    )
    by = third.selectbox(
        "Weights of the input side",
        [PAPER, WEIGHTED],
        key="by",
        bind="query-params",
        help="The paper's score assumes full attention; the attention-weighted score uses the attention of this run.",
    )
    chain = _chain(lm, case, by, settings)
    if chain is None:
        return
    graph = prune(chain, nodes, weakest)
    frame = node_frame(graph)
    edges = edge_frame(graph, frame)
    chosen = _node_of(graph, st.session_state.get(CARD) or "")
    st.altair_chart(
        chain_chart(frame, edges, is_dark(), chosen),
        key="chain chart",
        on_select=_node,
        selection_mode=PICK,
        alt="The logic chain from input to prediction as a graph",
    )
    _sentence(lm, graph)
    st.caption(
        "Grey: input tokens. Teal: FFN neurons with a token they promote (for shallow neurons, after the attention "
        "layer). Orange: attention layers and the ablated heads. Violet: the prediction. The width of a line compares "
        "within its kind; violet lines are negative."
    )
    card_here(lm, "chain", readings_of(lm, case))
    with st.expander("Table"):
        st.dataframe(frame.drop(columns=["x", "y"]), hide_index=True)
        st.dataframe(edges[["label", "kind", "weight"]], hide_index=True)
    _files(graph, lambda dark: chain_chart(frame, edges, dark, chosen))


def _files(graph: nx.DiGraph, maker: Any) -> None:
    files: list[tuple[str, Callable[[], str | bytes], str]] = [
        ("graphml", lambda: to_graphml(graph), "application/xml"),
        ("json", lambda: to_json(graph), "application/json"),
        ("png", lambda: as_png(maker), "image/png"),
        ("svg", lambda: as_svg(maker), "image/svg+xml"),
    ]
    with st.popover("Download the graph", icon=":material/download:"):
        for ending, content, mime in files:
            st.download_button(
                ending.upper(),
                content,
                file_name=f"logic-chain.{ending}",
                mime=mime,
                on_click="ignore",
                key=f"chain {ending}",
                width="stretch",
            )


def _node() -> None:
    rows = st.session_state["chain chart"]["selection"].get(PICK, [])
    found = re.fullmatch(r"(?:neuron|shallow) (\d+_\d+)(?: at \d+)?", rows[0].get("id", "")) if rows else None
    if found:
        pick(found[1], "chain")


def _node_of(graph: nx.DiGraph, name: str) -> str | None:
    at = [node for node in graph if node == f"neuron {name}" or node.startswith(f"shallow {name} at ")]
    return at[0] if at else None


def _sentence(lm: LoadedModel, graph: nx.DiGraph) -> None:
    kinds = nx.get_node_attributes(graph, "kind")
    count = {kind: sum(k == kind for k in kinds.values()) for kind in ("shallow", "deep")}
    answers = {a: d["weight"] for a, _, d in graph.edges(data=True) if d["kind"] == "answer"}
    best = max(answers, key=lambda a: answers[a]) if answers else None
    words = {n: d["weight"] for n, d in graph.nodes(data=True) if d["kind"] == "token"}
    told = f"{len(graph)} nodes and {graph.number_of_edges()} connections: {count['shallow']} shallow and "
    told += f"{count['deep']} deep neurons. "
    if words:
        top = max(words, key=lambda n: words[n])
        told += (
            f"Of the input, {code(graph.nodes[top]['label'])} contributes most to the root, the lowest deep neuron; "
        )
    if best is not None:
        total = sum(value for value in answers.values() if value > 0)
        share = answers[best] / total if total else 0.0
        told += (
            f"of the deep neurons, **{graph.nodes[best]['label']}** adds most to "
            f"{code(lm.token(graph.graph['target']))} ({percent(share)} of what the shown ones add)."
        )
    finding(lm, "neurons", told, "graph")
