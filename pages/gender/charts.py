"""Charts of gender bias, from tidy tables; nothing is computed here."""

import altair as alt
import pandas as pd

from pages.shared.theme import EMBEDDING, FALL, FFN, RISE, ink


def bias_dots(frame: pd.DataFrame, dark: bool, groups: tuple[str, str]) -> alt.LayerChart:
    """Bias of each profession, with its shift where there is one.

    Columns: profession, group, before, and after (None: not edited).
    """
    order = list(frame["profession"])
    colors = alt.Scale(domain=list(groups), range=[RISE, FALL])
    base = alt.Chart(frame).encode(
        y=alt.Y("profession:N", sort=order, title=None, axis=alt.Axis(labelOverlap=False, labelLimit=180))
    )
    zero = alt.Chart(pd.DataFrame({"x": [0.0]})).mark_rule(color=ink(dark), strokeDash=[3, 3]).encode(x="x:Q")
    color = alt.Color("group:N", scale=colors, legend=alt.Legend(title="own group", orient="top"))
    tips = ["profession:N", "group:N", alt.Tooltip("before:Q", format=".3f", title="original, nats")]
    title = "bias (nats): log p after the own group - log p after the other"
    x = alt.X("before:Q", title=title, axis=alt.Axis(tickCount=8))
    edited = "after" in frame and bool(frame["after"].notna().any())
    if not edited:
        dots = base.mark_bar(height={"band": 0.7}).encode(x=x, color=color, tooltip=tips)
        return (dots + zero).properties(height=20 * len(order) + 90)
    tips.append(alt.Tooltip("after:Q", format=".3f", title="edited, nats"))
    lines = base.mark_rule(strokeWidth=2, opacity=0.35, color=ink(dark)).encode(x=x, x2="after:Q")
    open_ = base.mark_point(size=55, strokeWidth=2).encode(x="before:Q", color=color, tooltip=tips)
    full = base.mark_point(size=55, filled=True, opacity=1).encode(x="after:Q", color=color, tooltip=tips)
    return (zero + lines + open_ + full).properties(height=20 * len(order) + 90)


def curve_lines(frame: pd.DataFrame, dark: bool) -> alt.HConcatChart:
    """Bias and side effects against the number of neurons. Columns: neurons, panel, line, value."""
    panels = []
    for panel, unit, form in (
        ("bias", "nats", ".2f"),
        ("accuracy", "accuracy", "%"),
        ("neutral", "nats per token", ".2f"),
    ):
        some = frame[frame["panel"] == panel]
        if some["value"].isna().all():
            continue
        names = list(dict.fromkeys(some["line"]))
        colors = alt.Scale(
            domain=names, range=[FFN, ink(dark), RISE, FALL][: len(names)] if panel == "bias" else [EMBEDDING]
        )
        panels.append(
            alt.Chart(some)
            .mark_line(point=True)
            .encode(
                x=alt.X(
                    "neurons:Q",
                    title="neurons edited",
                    scale=alt.Scale(type="symlog", constant=4),
                    axis=alt.Axis(tickCount=6),
                ),
                y=alt.Y("value:Q", title=unit, scale=alt.Scale(zero=panel == "bias"), axis=alt.Axis(format=form)),
                color=alt.Color("line:N", scale=colors, legend=alt.Legend(title=None, orient="top", columns=2)),
                tooltip=["neurons:Q", "line:N", alt.Tooltip("value:Q", format=".4~f")],
            )
            .properties(height=200, width=250 if panel == "bias" else 135)
        )
    return alt.hconcat(*panels).resolve_scale(color="independent")
