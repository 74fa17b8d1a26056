"""Charts of pruning, from tidy tables; nothing is computed here."""

import altair as alt
import pandas as pd

from pages.shared.theme import ATTENTION, EMBEDDING, FFN, ink

_LOOKS = {"CNA": FFN, "random": EMBEDDING}


def by_share(frame: pd.DataFrame, dark: bool, most: float) -> alt.LayerChart:
    """Accuracy against the share of deep neurons kept, CNA and random (mean, and range over seeds).

    Columns: neurons, share, kept, seed, accuracy. `most` is accuracy with every neuron.
    """
    scale = alt.Scale(domain=list(_LOOKS), range=list(_LOOKS.values()))
    color = alt.Color("kept:N", scale=scale, legend=alt.Legend(title="kept", orient="top", symbolOpacity=1))
    base = alt.Chart(frame).encode(
        x=alt.X("share:Q", title="share of the deep neurons that is kept", axis=alt.Axis(format="%")), color=color
    )
    y = alt.Y("mean(accuracy):Q", title="accuracy", scale=alt.Scale(domain=[0, 1]), axis=alt.Axis(format="%"))
    tip = [
        "kept:N",
        alt.Tooltip("share:Q", format=".3~p"),
        alt.Tooltip("neurons:Q"),
        alt.Tooltip("mean(accuracy):Q", format=".3~p", title="accuracy"),
    ]
    band = base.mark_area(opacity=0.25).encode(y=alt.Y("min(accuracy):Q"), y2=alt.Y2("max(accuracy):Q"))
    lines = base.mark_line(point=alt.OverlayMarkDef(size=60, filled=True)).encode(y=y, tooltip=tip)
    whole = alt.Chart(pd.DataFrame({"accuracy": [most]})).mark_rule(color=ink(dark), strokeDash=[6, 4])
    return (band + lines + whole.encode(y="accuracy:Q")).properties(height=300)


def columns_beside(frame: pd.DataFrame, dark: bool) -> alt.FacetChart:
    """The four columns of table 11, ours and the paper's. Columns: column, whose, accuracy."""
    order, whose = list(dict.fromkeys(frame["column"])), list(dict.fromkeys(frame["whose"]))
    base = alt.Chart(frame).encode(
        x=alt.X("whose:N", title=None, axis=alt.Axis(labelAngle=0), sort=whose),
        y=alt.Y(
            "accuracy:Q",
            title="accuracy",
            scale=alt.Scale(domain=[0, 1.08]),
            axis=alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1]),
        ),
        tooltip=["column:N", "whose:N", alt.Tooltip("accuracy:Q", format=".3~p")],
    )
    bars = base.mark_bar().encode(
        color=alt.Color("whose:N", sort=whose, legend=None, scale=alt.Scale(range=[ATTENTION, EMBEDDING]))
    )
    text = base.mark_text(dy=-7, color=ink(dark)).encode(text=alt.Text("accuracy:Q", format=".3~p"))
    return (
        (bars + text)
        .properties(width=150, height=220)
        .facet(column=alt.Column("column:N", sort=order, title=None, header=alt.Header(labelFontSize=13)))
    )
