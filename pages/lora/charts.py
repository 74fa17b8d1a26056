"""Charts of fine-tuning, from tidy tables; nothing is computed here."""

import altair as alt
import pandas as pd

from pages.shared.theme import ATTENTION, EMBEDDING, FFN

_TEALS = ["#9CD0CF", "#5FB0B0", FFN, "#0D5F61"]
_ASKED = [ATTENTION, FFN, "#5B4B8A", EMBEDDING]  # the trained task, then what may be forgotten


def by_layer(frame: pd.DataFrame, dark: bool) -> alt.LayerChart:
    """Accuracy by the adapter's layer, the base as lines (figure 2); unfinished trainings are crosses.

    Columns: layer, asked (what was asked, the trained task first), accuracy, base, n, steps, finished.
    """
    layers, asked = sorted(frame["layer"].unique()), list(dict.fromkeys(frame["asked"]))
    x = alt.X(
        "layer:Q",
        title="layer that carries the adapter",
        axis=alt.Axis(values=layers, format="d"),
        scale=alt.Scale(domain=[min(layers) - 0.3, max(layers) + 0.3], nice=False),
    )
    y = alt.Y("accuracy:Q", title="accuracy", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"))
    color = alt.Color(
        "asked:N",
        scale=alt.Scale(domain=asked, range=_ASKED[: len(asked)]),
        legend=alt.Legend(title=None, orient="top", columns=2, labelLimit=260),
    )
    tip = [
        alt.Tooltip("layer:Q", format="d"),
        alt.Tooltip("asked:N"),
        alt.Tooltip("accuracy:Q", format=".3~p"),
        alt.Tooltip("base:Q", format=".3~p", title="without an adapter"),
        alt.Tooltip("n:Q", title="of"),
        alt.Tooltip("steps:N", title="steps trained"),
    ]
    base = alt.Chart(frame).encode(x=x, color=color, tooltip=tip)
    rules = (
        alt.Chart(frame.drop_duplicates("asked"))
        .mark_rule(strokeDash=[6, 4])
        .encode(y="base:Q", color=color, tooltip=[tip[1], tip[3], tip[4]])
    )
    lines = base.mark_line().encode(y=y)
    shape = alt.condition("datum.finished", alt.value("circle"), alt.value("cross"))
    points = base.mark_point(filled=True, size=90, opacity=1).encode(y=y, shape=shape)
    return (lines + points + rules).properties(height=300)


def learning(frame: pd.DataFrame, dark: bool) -> alt.HConcatChart:
    """Loss and accuracy while an adapter is trained. Columns: step, loss, accuracy."""
    base = alt.Chart(frame).encode(x=alt.X("step:Q", title="step"))
    tip = [
        alt.Tooltip("step:Q", format="d"),
        alt.Tooltip("loss:Q", format=".3~r"),
        alt.Tooltip("accuracy:Q", format=".3~p"),
    ]
    loss = base.mark_line(point=True, color=EMBEDDING).encode(
        y=alt.Y("loss:Q", title="loss (nats per token)", scale=alt.Scale(zero=True)), tooltip=tip
    )
    accuracy = base.mark_line(point=True, color=ATTENTION).encode(
        y=alt.Y("accuracy:Q", title="accuracy (validation)", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%")),
        tooltip=tip,
    )
    return loss.properties(width=350, height=190) | accuracy.properties(width=350, height=190)


def increase_by_band(frame: pd.DataFrame, dark: bool) -> alt.Chart:
    """Mean coefficient increase by band of layers and top k (table 10). Columns: band, top, increase."""
    tops = list(dict.fromkeys(frame["top"]))
    return (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X(
                "band:N",
                sort=list(dict.fromkeys(frame["band"])),
                title="layers that carry the adapter",
                axis=alt.Axis(labelAngle=0),
            ),
            xOffset=alt.XOffset("top:N", sort=tops),
            y=alt.Y("increase:Q", title="coefficient increase", axis=alt.Axis(format="%")),
            color=alt.Color(
                "top:O", sort=tops, title=None, scale=alt.Scale(range=_TEALS), legend=alt.Legend(orient="top")
            ),
            tooltip=["band:N", "top:N", alt.Tooltip("increase:Q", format=".3~p")],
        )
        .properties(height=260)
    )
