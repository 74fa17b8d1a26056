"""Pictures of neurons, from tidy tables; nothing is computed here."""

import altair as alt
import pandas as pd

from pages.shared.charts import PICK, ring
from pages.shared.theme import ATTENTION, EMBEDDING, FFN, RISE, ink


def neuron_dots(frame: pd.DataFrame, dark: bool) -> alt.LayerChart:
    """Change of importance by layer, a dot a neuron; a click picks one.

    Columns: name, layer, change, importance_first, importance_second, coefficient_first,
    coefficient_second, tokens, selected.
    """
    pick = alt.selection_point(name=PICK, fields=["name"], on="click", clear="dblclick")
    base = alt.Chart(frame).encode(
        x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("place:Q", scale=alt.Scale(domain=[-0.05, 1.05])),
        y=alt.Y("change:Q", title="change of importance (nats)"),
        tooltip=[
            alt.Tooltip("name:N", title="neuron"),
            alt.Tooltip("change:Q", format=".3~r", title="change (nats)"),
            alt.Tooltip("importance_first:Q", format=".3~r", title="importance, heads on"),
            alt.Tooltip("importance_second:Q", format=".3~r", title="importance, heads off"),
            alt.Tooltip("coefficient_first:Q", format=".3~r", title="coefficient, heads on"),
            alt.Tooltip("coefficient_second:Q", format=".3~r", title="coefficient, heads off"),
            alt.Tooltip("tokens:N", title="promotes"),
        ],
    )
    dots = base.mark_circle(size=90, color=FFN, opacity=0.75, cursor="pointer").add_params(pick)
    names = base.transform_filter("datum.rank <= 6").mark_text(align="left", dx=8, color=ink(dark), fontSize=12)
    return (ring(base, dark) + dots + names.encode(text="short:N")).properties(height=330)


def decrease_lines(frame: pd.DataFrame, dark: bool) -> alt.LayerChart:
    """Decreases by number of neurons. Columns: measure, k, decrease (share), cases."""
    measures = ["mask", "keep", "coefficient"]
    base = alt.Chart(frame).encode(
        x=alt.X("k:Q", title="top neurons", scale=alt.Scale(type="log"), axis=alt.Axis(values=sorted(set(frame["k"])))),
        y=alt.Y("decrease:Q", title="decrease", axis=alt.Axis(format="%")),
        color=alt.Color(
            "measure:N", sort=measures, scale=alt.Scale(domain=measures, range=[FFN, EMBEDDING, RISE]),
            legend=alt.Legend(title=None, orient="top"),
        ),
        tooltip=[
            alt.Tooltip("measure:N"), alt.Tooltip("k:Q", title="top neurons"),
            alt.Tooltip("decrease:Q", format=".3~p"), alt.Tooltip("cases:Q"),
        ],
    )  # fmt: skip
    return (base.mark_line(strokeWidth=2.5) + base.mark_point(filled=True, size=70)).properties(height=280)


def shallow_bars(frame: pd.DataFrame, dark: bool) -> alt.Chart:
    """Accuracy lost without the filter's neurons, beside random ones. Columns: name, set, decrease."""
    sets = ["found by the filter", "as many random ones"]
    return (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("name:N", sort=None, title="more than M number or operator tokens", axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("set:N", sort=sets),
            y=alt.Y("decrease:Q", title="decrease of accuracy", axis=alt.Axis(format="%")),
            color=alt.Color(
                "set:N", sort=sets, scale=alt.Scale(domain=sets, range=[FFN, EMBEDDING]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=["name:N", "set:N", alt.Tooltip("decrease:Q", format=".3~p"), alt.Tooltip("neurons:Q")],
        )
        .properties(height=280)
    )  # fmt: skip


def feature_bars(frame: pd.DataFrame, dark: bool) -> alt.Chart:
    """What reaches the root, by input position. Columns: place, kind, name, score, flow, tokens."""
    kinds = ["neuron", "embedding"]
    return (
        alt.Chart(frame)
        .mark_circle(size=110, opacity=0.8)
        .encode(
            x=alt.X("place:N", sort=alt.EncodingSortField("position", op="min"), title="input position",
                    axis=alt.Axis(labelAngle=0, labelFont="monospace")),
            xOffset=alt.XOffset("kind:N", sort=kinds),
            y=alt.Y("score:Q", title="score at the root's keys"),
            color=alt.Color(
                "kind:N", sort=kinds, scale=alt.Scale(domain=kinds, range=[FFN, EMBEDDING]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=[
                alt.Tooltip("name:N"), alt.Tooltip("place:N", title="position"),
                alt.Tooltip("score:Q", format=".3~r"), alt.Tooltip("flow:Q", format=".3~r"),
                alt.Tooltip("tokens:N", title="after attention"),
            ],
        )
        .properties(height=260)
    )  # fmt: skip


def agreement(frame: pd.DataFrame, dark: bool) -> alt.LayerChart:
    """First-order score against the exact effect. Columns: name, kind, approximate, exact."""
    base = alt.Chart(frame)
    both = pd.concat([frame["approximate"], frame["exact"]])
    ends = pd.DataFrame({"v": [float(both.min()), float(both.max())]})
    line = alt.Chart(ends).mark_line(color=EMBEDDING, strokeDash=[4, 4]).encode(x="v:Q", y="v:Q")
    dots = base.mark_circle(size=60, opacity=0.7).encode(
        x=alt.X("exact:Q", title="exact decrease of log p (nats)"),
        y=alt.Y("approximate:Q", title="first-order score (nats)"),
        color=alt.Color("kind:N", legend=alt.Legend(title=None, orient="top"),
                        scale=alt.Scale(domain=["head", "neuron"], range=[ATTENTION, FFN])),
        tooltip=["name:N", alt.Tooltip("exact:Q", format=".3~r"), alt.Tooltip("approximate:Q", format=".3~r")],
    )  # fmt: skip
    return (line + dots).properties(height=320)
