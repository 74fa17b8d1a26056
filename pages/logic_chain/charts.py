"""Charts of neurons, from tidy tables; nothing is computed here."""

import altair as alt
import pandas as pd

from core.neurons.roles import ROLES
from pages.shared.charts import PICK, percent_tip, ring, with_percent
from pages.shared.theme import ATTENTION, EMBEDDING, FFN, RISE, RISE_PALE, ink


def neuron_dots(frame: pd.DataFrame, dark: bool) -> alt.LayerChart:
    """Change of importance by layer, one dot per neuron, coloured by role; a click picks one.

    Columns: name, layer, place, change, role, carried, importance_first, importance_second, coefficient_first,
    coefficient_second, tokens, short, tops (whether it is labelled), selected.
    """
    pick = alt.selection_point(name=PICK, fields=["name"], on="click", clear="dblclick")
    base = alt.Chart(frame).encode(
        x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)),
        xOffset=alt.XOffset("place:Q", scale=alt.Scale(domain=[-0.05, 1.05])),
        y=alt.Y("change:Q", title="change of importance (nats)"),
        tooltip=[
            alt.Tooltip("name:N", title="neuron"),
            alt.Tooltip("role:N"),
            alt.Tooltip("carried:Q", format=".3~r", title="carried (nats)"),
            alt.Tooltip("change:Q", format=".3~r", title="change (nats)"),
            alt.Tooltip("importance_first:Q", format=".3~r", title="importance, all heads"),
            alt.Tooltip("importance_second:Q", format=".3~r", title="importance, heads ablated"),
            alt.Tooltip("coefficient_first:Q", format=".3~r", title="coefficient, all heads"),
            alt.Tooltip("coefficient_second:Q", format=".3~r", title="coefficient, heads ablated"),
            alt.Tooltip("tokens:N", title="promotes"),
        ],
    )
    color = alt.Color(
        "role:N",
        sort=list(ROLES),
        scale=alt.Scale(domain=list(ROLES), range=[FFN, RISE_PALE, RISE, EMBEDDING]),
        legend=alt.Legend(title=None, orient="top", labelLimit=0),
    )
    dots = base.mark_circle(size=90, opacity=0.75, cursor="pointer").encode(color=color).add_params(pick)
    names = base.transform_filter("datum.tops").mark_text(align="left", dx=8, color=ink(dark), fontSize=12)
    return (ring(base, dark) + dots + names.encode(text="short:N")).properties(height=330)


def decrease_lines(frame: pd.DataFrame, dark: bool) -> alt.LayerChart:
    """Decreases by number of neurons. Columns: measure, k, decrease (share), cases."""
    measures = ["mask", "keep", "coefficient"]
    base = alt.Chart(with_percent(frame, "decrease")).encode(
        x=alt.X("k:Q", title="top neurons", scale=alt.Scale(type="log"), axis=alt.Axis(values=sorted(set(frame["k"])))),
        y=alt.Y("decrease:Q", title="decrease", axis=alt.Axis(format="%")),
        color=alt.Color(
            "measure:N",
            sort=measures,
            scale=alt.Scale(domain=measures, range=[FFN, EMBEDDING, RISE]),
            legend=alt.Legend(title=None, orient="top"),
        ),
        tooltip=[
            alt.Tooltip("measure:N"),
            alt.Tooltip("k:Q", title="top neurons"),
            percent_tip("decrease"),
            alt.Tooltip("cases:Q"),
        ],
    )
    return (base.mark_line(strokeWidth=2.5) + base.mark_point(filled=True, size=70)).properties(height=280)


def kept_bars(frame: pd.DataFrame, dark: bool) -> alt.LayerChart:
    """Neurons that the filter keeps: teal is what exceeds chance. Columns: name, neurons, by_chance."""
    parts = ["as many as by chance", "more than by chance"]
    neurons, chance = frame["neurons"].astype(float), frame["by_chance"]
    within = frame.assign(part=parts[0], low=0.0, high=neurons.where(neurons < chance, chance))
    beyond = frame.assign(part=parts[1], low=chance, high=neurons)[neurons > chance]
    most = max(1.0, neurons.max(), chance.max())
    axis = alt.Axis(  # on this scale a number format would write 10 as 0k
        values=[0, *(10**power for power in range(9) if 10**power <= most)], labelExpr="format(datum.value, ',')"
    )
    x = alt.X("name:N", sort=list(frame["name"]), title="more than M concept tokens", axis=alt.Axis(labelAngle=0))
    scale = alt.Scale(type="symlog", domain=[0, most])
    tips = [
        alt.Tooltip("name:N", title="filter"),
        alt.Tooltip("neurons:Q", format=",", title="neurons kept"),
        alt.Tooltip("by_chance:Q", format=",.3~r", title="by chance alone"),
    ]
    bars = (
        alt.Chart(pd.concat([within, beyond]))
        .mark_bar()
        .encode(
            x=x,
            y=alt.Y("low:Q", title="neurons kept (log scale)", scale=scale, axis=axis),
            y2="high:Q",
            color=alt.Color(
                "part:N",
                sort=parts,
                scale=alt.Scale(domain=parts, range=[EMBEDDING, FFN]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=tips,
        )
    )
    ticks = alt.Chart(frame).mark_tick(thickness=2, color=ink(dark)).encode(x=x, y="by_chance:Q", tooltip=tips)
    return (bars + ticks).properties(height=280)


def shallow_charts(kept: pd.DataFrame, lost: pd.DataFrame, dark: bool) -> alt.HConcatChart | alt.ConcatChart:
    """What the filter keeps beside what its neurons are worth, for a download; see `kept_bars`, `shallow_bars`."""
    return (kept_bars(kept, dark) | shallow_bars(lost, dark)).resolve_scale(color="independent")


def shallow_bars(frame: pd.DataFrame, dark: bool) -> alt.Chart:
    """Accuracy lost without the filter's neurons, beside random ones. Columns: name, set, decrease."""
    sets = ["found by the filter", "as many random ones"]
    return (
        alt.Chart(with_percent(frame, "decrease"))
        .mark_bar()
        .encode(
            x=alt.X(
                "name:N",
                sort=list(dict.fromkeys(frame["name"])),
                title="more than M concept tokens",
                axis=alt.Axis(labelAngle=0),
            ),
            xOffset=alt.XOffset("set:N", sort=sets),
            y=alt.Y("decrease:Q", title="decrease of accuracy", axis=alt.Axis(format="%")),
            color=alt.Color(
                "set:N",
                sort=sets,
                scale=alt.Scale(domain=sets, range=[FFN, EMBEDDING]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=["name:N", "set:N", percent_tip("decrease"), alt.Tooltip("neurons:Q")],
        )
        .properties(height=280)
    )


def feature_bars(frame: pd.DataFrame, dark: bool) -> alt.Chart:
    """What reaches the root, by input position. Columns: place, kind, name, score, weighted, tokens."""
    kinds = ["neuron", "embedding"]
    return (
        alt.Chart(frame)
        .mark_circle(size=110, opacity=0.8)
        .encode(
            x=alt.X(
                "place:N",
                sort=alt.EncodingSortField("position", op="min"),
                title="input position",
                axis=alt.Axis(labelAngle=0, labelFont="monospace"),
            ),
            xOffset=alt.XOffset("kind:N", sort=kinds),
            y=alt.Y("score:Q", title="score at the root's keys"),
            color=alt.Color(
                "kind:N",
                sort=kinds,
                scale=alt.Scale(domain=kinds, range=[FFN, EMBEDDING]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=[
                alt.Tooltip("name:N"),
                alt.Tooltip("place:N", title="position"),
                alt.Tooltip("score:Q", format=".3~r"),
                alt.Tooltip("weighted:Q", format=".3~r", title="attention-weighted"),
                alt.Tooltip("tokens:N", title="after attention"),
            ],
        )
        .properties(height=260)
    )


def agreement(frame: pd.DataFrame, dark: bool) -> alt.LayerChart:
    """First-order score against the exact effect. Columns: name, kind, approximate, exact."""
    base = alt.Chart(frame)
    both = pd.concat([frame["approximate"], frame["exact"]])
    ends = pd.DataFrame({"v": [float(both.min()), float(both.max())]})
    line = alt.Chart(ends).mark_line(color=EMBEDDING, strokeDash=[4, 4]).encode(x="v:Q", y="v:Q")
    dots = base.mark_circle(size=60, opacity=0.7).encode(
        x=alt.X("exact:Q", title="exact decrease of log p (nats)"),
        y=alt.Y("approximate:Q", title="first-order score (nats)"),
        color=alt.Color(
            "kind:N",
            legend=alt.Legend(title=None, orient="top"),
            scale=alt.Scale(domain=["head", "neuron"], range=[ATTENTION, FFN]),
        ),
        tooltip=["name:N", alt.Tooltip("exact:Q", format=".3~r"), alt.Tooltip("approximate:Q", format=".3~r")],
    )
    return (line + dots).properties(height=320)
