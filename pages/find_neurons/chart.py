"""Chart of the neurons that promote a word, by layer."""

import altair as alt
import pandas as pd

from pages.shared.charts import PICK, ring
from pages.shared.theme import FFN, RISE


def promoter_dots(frame: pd.DataFrame, dark: bool, n_layers: int) -> alt.LayerChart:
    """Score by layer, one dot per neuron; a click picks one.

    Columns: name, layer, score, rank, when, top_tokens, selected.
    """
    pick = alt.selection_point(name=PICK, fields=["name"], on="click", clear="dblclick")
    signs = ["coefficient > 0", "coefficient < 0"]
    base = alt.Chart(frame).encode(
        x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0), scale=alt.Scale(domain=list(range(n_layers)))),
        y=alt.Y("score:Q", title="score (standard deviations)", scale=alt.Scale(zero=False)),
        tooltip=[
            alt.Tooltip("name:N", title="neuron"),
            alt.Tooltip("score:Q", format=".3~r"),
            alt.Tooltip("rank:Q"),
            alt.Tooltip("when:N"),
            alt.Tooltip("top_tokens:N", title="promotes"),
        ],
    )
    dots = (
        base.mark_circle(size=90, opacity=0.75, cursor="pointer")
        .encode(
            color=alt.Color(
                "when:N", scale=alt.Scale(domain=signs, range=[FFN, RISE]), legend=alt.Legend(title=None, orient="top")
            ),
        )
        .add_params(pick)
    )
    return (ring(base, dark) + dots).properties(height=300)
