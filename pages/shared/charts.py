"""Charts of tidy tables; nothing is computed here.

Every function takes a DataFrame and whether the page is dark, and returns a chart.
"""

import json

import altair as alt
import pandas as pd

from pages.shared.theme import ATTENTION, EMBEDDING, MODULE_COLORS, diverging, ink, sequential
from pages.shared.words import percent

CELL = 30
PAGE = 820  # pixels of a chart beside the sidebar at 1280
alt.data_transformers.enable("default", max_rows=None)  # a head map of a large model has more than 5,000 cells
PICK = "pick"


def with_percent(frame: pd.DataFrame, *columns: str) -> pd.DataFrame:
    """A table with shares also in words, in columns `<name>_text`.

    Vega's own percent format rounds 99.97% to 100%; these are what tooltips and labels show.
    """
    return frame.assign(**{f"{name}_text": [percent(float(value)) for value in frame[name]] for name in columns})


def percent_tip(column: str, title: str | None = None) -> alt.Tooltip:
    """A tooltip of a share in words, for a table `with_percent`."""
    return alt.Tooltip(f"{column}_text:N", title=title or column)


def number_tip(column: str, title: str) -> alt.Tooltip:
    """A number in a tooltip, with three significant digits."""
    return alt.Tooltip(f"{column}:Q", format=".3~g", title=title)


def ranked_tokens(tokens: list[str]) -> alt.Y:
    """A place for each row from top to bottom, by column `rank` (0, 1, ...), named by its token.

    Tokens themselves are no places: Vega keeps the order of the tokens it has drawn before when only a chart's data
    change, and draws two tokens with the same text in one row.
    """
    axis = alt.Axis(
        labelExpr=f"{json.dumps(tokens)}[datum.value]",
        labelFont="monospace",
        labelFontSize=13,
        labelOverlap=False,
        labelLimit=160,
    )
    return alt.Y("rank:O", title=None, axis=axis)


def token_bars(frame: pd.DataFrame, dark: bool) -> alt.LayerChart:
    """Bars of next-token probabilities from top to bottom. Columns: token, probability."""
    rows = with_percent(frame.assign(rank=range(len(frame))), "probability")
    base = alt.Chart(rows).encode(
        y=ranked_tokens(list(frame["token"])),
        x=alt.X(
            "probability:Q",
            title="probability",
            scale=alt.Scale(domain=[0, 1.12]),
            axis=alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1]),
        ),
        tooltip=[alt.Tooltip("token:N"), percent_tip("probability")],
    )
    text = base.mark_text(align="left", dx=4, color=ink(dark)).encode(text="probability_text:N")
    return (base.mark_bar(color=EMBEDDING, height={"band": 0.75}) + text).properties(height=26 * len(frame) + 50)


def token_bars_beside(before: pd.DataFrame, after: pd.DataFrame, dark: bool) -> alt.HConcatChart | alt.ConcatChart:
    """Next-token probabilities of two runs side by side, on the same scale."""
    return token_bars(before, dark).properties(title="all heads") | token_bars(after, dark).properties(
        title="without the heads"
    )


def increase_bars(frame: pd.DataFrame, dark: bool) -> alt.Chart:
    """Log-probability increase by layer, attention beside FFN. Columns: layer, module, increase."""
    return (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)),
            xOffset=alt.XOffset("module:N", sort=list(MODULE_COLORS)),
            y=alt.Y("increase:Q", title="increase of log p (nats)"),
            color=alt.Color(
                "module:N",
                scale=alt.Scale(domain=list(MODULE_COLORS), range=list(MODULE_COLORS.values())),
                legend=alt.Legend(title=None, orient="top"),
            ),
            tooltip=["layer:O", "module:N", alt.Tooltip("increase:Q", format=".3~r", title="nats")],
        )
        .properties(height=260)
    )


def lens_strip(frame: pd.DataFrame, dark: bool) -> alt.Chart:
    """The most likely token after each layer. Columns: after, token, probability."""
    base = alt.Chart(with_percent(frame.assign(row=""), "probability")).encode(
        x=alt.X("after:N", sort=list(frame["after"]), title="after", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("row:N", title=None, axis=None, scale=alt.Scale(type="band")),
        tooltip=["after:N", "token:N", percent_tip("probability")],
    )
    many = len(frame) > 14  # then tokens stand upright
    boxes = base.mark_rect(cornerRadius=4).encode(
        color=alt.Color(
            "probability:Q",
            scale=sequential(EMBEDDING, dark),
            legend=alt.Legend(title="probability", format="%", orient="right", gradientLength=70),
        )
    )
    text = base.mark_text(font="monospace", fontSize=11 if many else 13, angle=270 if many else 0).encode(
        text="token:N",
        color=alt.condition("datum.probability > 0.45", alt.value("#14171B"), alt.value(ink(dark))),
    )
    return (boxes + text).properties(height=270 if many else 190)


def pattern_map(frame: pd.DataFrame, dark: bool) -> alt.Chart:
    """Attention of a head. Columns: query, key (numbered tokens), weight."""
    order = list(dict.fromkeys(frame["query"]))
    size = min(max(38 * len(order) + 110, 260), 760)
    axis = alt.Axis(labelFont="monospace", labelAngle=-40, labelOverlap=False)
    return (
        alt.Chart(with_percent(frame, "weight"))
        .mark_rect()
        .encode(
            x=alt.X("key:N", sort=order, title="attends to", axis=axis),
            y=alt.Y("query:N", sort=order, title="token", axis=alt.Axis(labelFont="monospace", labelOverlap=False)),
            color=alt.Color(
                "weight:Q", scale=sequential(ATTENTION, dark), legend=alt.Legend(title="attention", format="%")
            ),
            tooltip=["query:N", "key:N", percent_tip("weight", "attention")],
        )
        .properties(width=size + 100, height=size)
    )


def head_map(frame: pd.DataFrame, dark: bool, title: str, share: bool = True) -> alt.Chart:
    """Decrease by layer and head; a click picks a head.

    Columns: layer, head, name, decrease (relative where values are shares), original, intervened, cases (how many),
    selected, paper.
    """
    limit = float(frame["decrease"].abs().max())
    n_heads, n_layers = frame["head"].nunique(), frame["layer"].nunique()
    pick = alt.selection_point(name=PICK, fields=["name"], on="click", toggle="true")
    tip = percent_tip if share else number_tip
    base = alt.Chart(with_percent(frame, "decrease", "original", "intervened")).encode(
        x=alt.X("head:O", title="head", axis=alt.Axis(labelAngle=0)),
        y=alt.Y("layer:O", title="layer", sort="descending"),
    )
    cells = base.mark_rect(cursor="pointer").encode(
        color=alt.Color(
            "decrease:Q",
            scale=diverging(limit if limit == limit else 1.0, dark),
            legend=alt.Legend(
                title=title, titleLimit=0, format="%" if share else ".4~g", orient="right", gradientLength=180
            ),
        ),
        tooltip=[
            alt.Tooltip("name:N", title="head"),
            tip("decrease", "relative decrease" if share else "decrease"),
            tip("original", "all heads"),
            tip("intervened", "without the head"),
            alt.Tooltip("cases:Q"),
            alt.Tooltip("paper:N", title="this head in the paper"),
        ],
    )
    frames = base.transform_filter("datum.selected").mark_rect(fill=None, stroke=ink(dark), strokeWidth=2.5).encode()
    cell = min(CELL, max(8, 900 // n_heads), max(8, 640 // n_layers))
    return (cells.add_params(pick) + frames).properties(
        width=min(PAGE, cell * n_heads * 1.35 + 190), height=max(cell, 12) * n_layers + 60
    )


def ring(base: alt.Chart, dark: bool) -> alt.Chart:
    """Rings behind the selected points of a scatter chart. Column: selected.

    Every point gets one, mostly unseen: a layer filtered down to nothing has a numeric scale without an extent, of
    which Vega warns. They stand behind the points, so that those take the clicks.
    """
    seen = alt.condition("datum.selected", alt.value(1), alt.value(0))
    rings = base.mark_point(size=220, stroke=ink(dark), strokeWidth=2.5)
    return rings.encode(strokeOpacity=seen, tooltip=alt.value(None))
