"""The logic chain as a picture: layers from left to right, altair on a networkx layout."""

import altair as alt
import networkx as nx
import pandas as pd

from pages.shared.charts import PICK
from pages.shared.theme import ATTENTION, EMBEDDING, FFN, GROUND, RISE, ink
from pages.shared.words import three_digits, visible

STAGES = {
    "token": "input",
    "shallow": "FFN",
    "attention": "attention",
    "head": "ablated heads",
    "deep": "FFN",
    "prediction": "prediction",
}
COLORS = {
    "token": EMBEDDING,
    "shallow": FFN,
    "attention": ATTENTION,
    "head": ATTENTION,
    "deep": FFN,
    "prediction": RISE,
}
SHAPES = {
    "token": "square",
    "shallow": "circle",
    "attention": "diamond",
    "head": "diamond",
    "deep": "circle",
    "prediction": "square",
}
EDGE_WORDS = {
    "reads": "the token embedding along the neuron's keys",
    "feature": "its score at the root, through attention",
    "transfer": "what it brings to the root",
    "predict": "what the head brings, along the neuron's keys",
    "enhance": "what it adds to the neuron's score",
    "answer": "importance (nats)",
}


def column_of(data: dict) -> tuple[int, int]:
    """Where a node stands from left to right: by stage, neurons and attention also by layer."""
    return data["stage"], data["layer"] if data["kind"] in ("shallow", "attention", "deep") else 0


def node_frame(graph: nx.DiGraph) -> pd.DataFrame:
    """One row per node: id, kind, label, x, y, and what hovering tells."""
    columns = sorted({column_of(data) for _, data in graph.nodes(data=True)})
    placed = nx.DiGraph(graph)
    nx.set_node_attributes(placed, {n: columns.index(column_of(d)) for n, d in graph.nodes(data=True)}, "column")
    order = _uncrossed(placed, len(columns))
    carriers = [name for name, kind in graph.nodes(data="kind") if kind == "attention"]
    rows = []
    for name, data in graph.nodes(data=True):
        column = placed.nodes[name]["column"]
        mine = order[column]
        y = (mine.index(name) + 0.5) / len(mine)
        if name in carriers:  # each in a column of its own: in steps, so that their ways do not cross them
            y = 0.3 + 0.4 * (carriers.index(name) + 0.5) / len(carriers)
        tokens = data["tokens_after"] or data["tokens"]
        first = visible(tokens.split(" | ")[0]) if data["kind"] in ("shallow", "deep") and tokens else ""
        rows.append(
            (
                name,
                data["kind"],
                STAGES[data["kind"]],
                _label(data),
                first,
                column,
                y,
                three_digits(data["weight"]),
                data["layer"],
                data["position"],
                data["tokens"].replace(" | ", "   "),
                data["tokens_after"].replace(" | ", "   "),
            )
        )
    names = ["id", "kind", "stage", "label", "says", "x", "y", "weight", "layer", "position", "tokens", "after"]
    return pd.DataFrame(rows, columns=names)


def _label(data: dict) -> str:
    return f"attn {data['layer']}" if data["kind"] == "attention" else visible(data["label"])


def _uncrossed(graph: nx.DiGraph, columns: int) -> list[list[str]]:
    """Nodes of each column, top to bottom, each near the middle of what it is connected to."""
    order = [[n for n, c in graph.nodes(data="column") if c == column] for column in range(columns)]
    for _ in range(4):
        at = {name: i / max(1, len(column)) for column in order for i, name in enumerate(column)}

        def middle(name: str, at: dict[str, float] = at) -> float:
            near = [(abs(d["weight"]), at[o]) for o, _, d in graph.in_edges(name, data=True)]
            near += [(abs(d["weight"]), at[o]) for _, o, d in graph.out_edges(name, data=True)]
            total = sum(weight for weight, _ in near)
            return sum(weight * place for weight, place in near) / total if total else at[name]

        order = [column if not i else sorted(column, key=middle) for i, column in enumerate(order)]
    return order


def edge_frame(graph: nx.DiGraph, nodes: pd.DataFrame) -> pd.DataFrame:
    """One row an edge: its ends' places, its kind, weight, and its share of the heaviest of its kind."""
    place = {row.id: (row.x, row.y, row.label) for row in nodes.itertuples()}
    heaviest: dict[str, float] = {}
    for _, _, data in graph.edges(data=True):
        heaviest[data["kind"]] = max(heaviest.get(data["kind"], 0.0), abs(data["weight"]))
    rows = []
    for start, end, data in graph.edges(data=True):
        (x, y, label), (x2, y2, label2) = place[start], place[end]
        share = abs(data["weight"]) / heaviest[data["kind"]] if heaviest[data["kind"]] else 0.0
        sign = "against" if data["weight"] < 0 else "for"
        rows.append(
            (
                f"{start} → {end}",
                f"{label} → {label2}",
                x,
                y,
                x2,
                y2,
                EDGE_WORDS[data["kind"]],
                data["weight"],
                share,
                sign,
            )
        )
    names = ["edge", "label", "x", "y", "x2", "y2", "kind", "weight", "share", "sign"]
    return pd.DataFrame(rows, columns=names)


def chain_chart(nodes: pd.DataFrame, edges: pd.DataFrame, dark: bool, selected: str | None = None) -> alt.LayerChart:
    """Draws both frames; a click on a node picks it."""
    pick = alt.selection_point(name=PICK, fields=["id"], on="click", clear="dblclick")
    x = alt.X("x:Q", axis=None, scale=alt.Scale(domain=[-0.45, max(nodes["x"]) + 0.65]))
    y = alt.Y("y:Q", axis=None, scale=alt.Scale(domain=[1, 0]))
    lines = (
        alt.Chart(edges)
        .mark_rule()
        .encode(
            x=x,
            y=y,
            x2="x2:Q",
            y2="y2:Q",
            color=alt.Color(
                "sign:N",
                scale=alt.Scale(domain=["for", "against"], range=[ink(dark), RISE]),
                legend=alt.Legend(title="connection", orient="bottom"),
            ),
            strokeWidth=alt.StrokeWidth("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.4, 3.5]), legend=None),
            opacity=alt.Opacity("share:Q", scale=alt.Scale(domain=[0, 1], range=[0.18, 0.75]), legend=None),
            tooltip=[
                alt.Tooltip("label:N", title="from → to"),
                alt.Tooltip("kind:N", title="weight is"),
                alt.Tooltip("weight:Q", format=".3~r"),
            ],
        )
    )
    base = alt.Chart(nodes).encode(x=x, y=y)
    kinds = list(COLORS)
    dots = (
        base.mark_point(filled=True, size=190, opacity=1, cursor="pointer")
        .encode(
            color=alt.Color("kind:N", scale=alt.Scale(domain=kinds, range=list(COLORS.values())), legend=None),
            shape=alt.Shape("kind:N", scale=alt.Scale(domain=kinds, range=list(SHAPES.values())), legend=None),
            tooltip=[
                alt.Tooltip("label:N"),
                alt.Tooltip("kind:N"),
                alt.Tooltip("weight:N"),
                alt.Tooltip("tokens:N", title="promotes"),
                alt.Tooltip("after:N", title="after attention"),
            ],
        )
        .add_params(pick)
    )
    ring = base.transform_filter(alt.datum.id == (selected or "")).mark_point(
        size=420, stroke=ink(dark), strokeWidth=2.5
    )
    words = []
    for ground in (True, False):  # the page's ground around letters keeps them apart from lines
        look = {"color": ink(dark)} if not ground else {"stroke": GROUND[dark], "strokeWidth": 3, "color": GROUND[dark]}
        words.append(base.mark_text(dy=-13, fontSize=11, **look).encode(text="label:N"))
        words.append(base.mark_text(dy=17, fontSize=11, font="monospace", **look).encode(text="says:N"))
    tallest = int(nodes.groupby("x").size().max())
    layers = alt.layer(lines, dots, ring, *words).resolve_scale(color="independent")
    return layers.properties(height=max(340, 58 * tallest + 40), title=alt.Title("input → prediction", fontSize=12))
