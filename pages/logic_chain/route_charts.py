"""Charts of what a head brings to a neuron, from tidy tables; nothing is computed here."""

import altair as alt
import pandas as pd

from pages.shared.charts import number_tip
from pages.shared.theme import ATTENTION, EMBEDDING, FFN, RISE

KEYS = {"weight_up": "up key", "weight_gate": "gate key"}
KINDS = {"embedding": EMBEDDING, "attention": ATTENTION, "FFN": FFN}
HEIGHT = 280
_LABEL = "datum.value < 0 ? 'input' : datum.label"


def key_bars(frame: pd.DataFrame, dark: bool, column: str, title: str) -> alt.Chart:
    """Bars of weights in the table's order, those of the up and the gate key side by side.

    Args:
        frame: has the named column, weight_up and weight_gate.
        dark: whether the page is dark.
        column: names each bar.
        title: of the axis.
    """
    order = list(frame[column])
    return (
        alt.Chart(_by_key(frame, column))
        .mark_bar()
        .encode(
            x=alt.X(f"{column}:N", sort=order, title=title, axis=alt.Axis(labelAngle=0, labelOverlap=True)),
            xOffset=alt.XOffset("key:N", sort=list(KEYS.values())),
            y=alt.Y("weight:Q", title="weight", axis=alt.Axis(format=".2~g")),
            color=alt.Color(
                "key:N",
                sort=list(KEYS.values()),
                scale=alt.Scale(domain=list(KEYS.values()), range=[FFN, RISE]),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=[alt.Tooltip(f"{column}:N", title=title), alt.Tooltip("key:N"), number_tip("weight", "weight")],
        )
        .properties(height=HEIGHT)
    )


def _by_key(frame: pd.DataFrame, column: str) -> pd.DataFrame:
    parts = [frame[[column]].assign(key=name, weight=frame[key]) for key, name in KEYS.items()]
    return pd.concat(parts, ignore_index=True)


def source_lines(frame: pd.DataFrame, dark: bool) -> alt.Chart:
    """Weights of earlier outputs by layer. Columns: source ("embedding", "attention 3", "FFN 3"), weight."""
    rows = frame.assign(
        kind=frame["source"].str.split().str[0],
        layer=[-1 if source == "embedding" else int(source.split()[1]) for source in frame["source"]],
    )
    return (
        alt.Chart(rows)
        .mark_bar()
        .encode(
            x=alt.X(
                "layer:O",
                title="layer",
                axis=alt.Axis(labelAngle=0, labelExpr="datum.value < 0 ? 'input' : datum.label"),
            ),
            xOffset=alt.XOffset("kind:N", sort=list(KINDS)),
            y=alt.Y("weight:Q", title="weight (up + gate)", axis=alt.Axis(format=".2~g")),
            color=alt.Color(
                "kind:N",
                sort=list(KINDS),
                scale=alt.Scale(domain=list(KINDS), range=list(KINDS.values())),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=[
                alt.Tooltip("source:N"),
                number_tip("weight", "weight"),
                number_tip("weight_up", "by the up key"),
                number_tip("weight_gate", "by the gate key"),
            ],
        )
        .properties(height=HEIGHT)
    )
