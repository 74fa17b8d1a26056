"""Part 3 of the logic chain: how do input, neurons and heads hang together?"""

import re
from collections.abc import Callable
from typing import Any

import networkx as nx
import streamlit as st

from core.chain.build import build_chain
from core.chain.case import LogicCase
from core.chain.export import to_graphml, to_json
from core.chain.features import find_features
from core.chain.prune import prune
from core.model.load import LoadedModel
from pages.logic_chain.graph_chart import chain_chart, edge_frame, node_frame
from pages.shared.charts import PICK
from pages.shared.neuron_card import CARD, card_here, pick
from pages.shared.neuron_words import readings_of
from pages.shared.present import as_png, as_svg
from pages.shared.theme import is_dark
from pages.shared.words import code, percent

WAYS = {"score": "what would arrive (the paper's score)", "flow": "what did arrive (with attention weights)"}


def drawn(lm: LoadedModel, case: LogicCase, nodes: int, weakest: float, by: str) -> nx.DiGraph:
    """The part of the chain that is shown, and exported."""
    assert case.chain is not None
    assert case.features is not None
    chain = case.chain
    if by == "flow":
        root, heads = case.features.root, case.heads
        features = find_features(lm, case.run, heads, root, by="flow", direct=True)
        chain = build_chain(lm, case.run, case.neurons, heads, features, by="flow")
    return prune(chain, nodes, weakest)


def chain_graph(lm: LoadedModel, case: LogicCase, settings: dict[str, Any]) -> None:
    """The graph, its sentence and its files."""
    st.header("3 · How does it hang together?")
    if case.chain is None:
        st.info(
            "No neuron of the list reads what these heads write, so there is no chain to draw. "
            "Choose lower heads or more neurons.",
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
        help="A share of the heaviest connection of the same kind. A node's heaviest way on always stays.",
    )
    by = third.selectbox("Input side", list(WAYS), key="by", bind="query-params", format_func=lambda w: WAYS[w])
    graph = drawn(lm, case, nodes, weakest, by)
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
        "Grey: the words of the input. Teal: FFN neurons, with a word they promote (shallow ones after "
        "attention carried them on). Orange: attention layers and the heads that go off. Violet: the "
        "prediction. Lines compare within a kind; violet ones work against."
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
        told += f"Of the input, {code(graph.nodes[top]['label'])} reaches the lowest deep neuron most; "
    if best is not None:
        total = sum(value for value in answers.values() if value > 0)
        share = answers[best] / total if total else 0.0
        told += (
            f"of the deep neurons, **{graph.nodes[best]['label']}** adds most to "
            f"{code(lm.token(graph.graph['target']))} ({percent(share)} of what those shown add)."
        )
    st.markdown(told)
