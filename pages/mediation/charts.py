"""Pictures of causal mediation: from tidy tables to charts; nothing is computed here.

Charts that stand side by side get the same `top`, so that their scales are the same.
"""

from collections.abc import Sequence
from typing import Literal

import altair as alt
import pandas as pd

from pages.shared.charts import PICK
from pages.shared.theme import (
    ATTENTION,
    ATTENTION_WEIGHTS,
    EMBEDDING,
    FFN,
    RESIDUAL,
    diverging,
    ink,
    sequential,
)

#: Effects below this are drawn like this: where the scale of the authors' figures begins.
FLOOR = 0.1
#: Sites in the order in which they are drawn; the embedding, which is a single row, at the end.
SITE_NAMES = {
    "ffn": "FFN",
    "attention": "attention",
    "residual": "residual stream",
    "pattern": "attention weights",
    "embedding": "embedding",
}
HUES = {
    "ffn": FFN,
    "attention": ATTENTION,
    "residual": RESIDUAL,
    "pattern": ATTENTION_WEIGHTS,
    "embedding": EMBEDDING,
}
#: How values are drawn: shares of 1; ratios on a logarithmic scale; changes in a unit, on both sides of zero.
Kind = Literal["share", "ratio", "change"]
HALF = 400  # pixels of a chart that shares the page with another one
#: Round numbers up to 1,000, then powers of ten: 1e4.
_SHORT = "datum.value < 1e4 ? format(datum.value, '~g') : replace(format(datum.value, '.0e'), '+', '')"
_LABELS = {"share": "format(datum.value, '%')", "ratio": _SHORT, "change": "format(datum.value, '~g')"}


def _scale(hue: str, dark: bool, top: float, kind: Kind) -> alt.Scale:
    if kind == "change":
        of_decreases = diverging(top, dark).to_dict()
        return alt.Scale(**{**of_decreases, "range": of_decreases["range"][::-1]})
    plain = sequential(hue, dark, (0.0, top) if kind == "share" else (FLOOR, top))
    return plain if kind == "share" else alt.Scale(**{**plain.to_dict(), "type": "log"})


def shown_values(values: pd.Series, kind: Kind) -> pd.Series:
    """What a chart draws: the values; ratios at least at the beginning of their scale."""
    return values.clip(lower=FLOOR) if kind == "ratio" else values


def top_of(values: Sequence[pd.Series], kind: Kind) -> float:
    """The end of a scale that charts share; of changes, on both sides of zero."""
    if kind == "change":
        return max(1e-6, *(float(some.abs().max()) for some in values))
    highest = max(float(some.max()) for some in values)
    return max(highest, 0.01) if kind == "share" else min(max(highest, 10 * FLOOR), 1e300)


def _layers(n_layers: int) -> alt.Y:
    return alt.Y("layer:O", title="layer", sort="descending", axis=alt.Axis(labelOverlap=n_layers > 16))


def _height(n_layers: int, below: int) -> int:
    return min(26, max(10, 640 // n_layers)) * n_layers + below


def effect_map(
    frame: pd.DataFrame, dark: bool, site: str, top: float, kind: Kind, what: str, pick: bool = True
) -> alt.LayerChart:
    """A value by layer and position group.

    Args:
        frame: columns layer, group, value, shown (the value, at least FLOOR where the scale is a
            logarithm), interval (in words; missing where there is none), name, selected.
        dark: the page's theme.
        site: gives the hue.
        top: the end of the scale.
        kind: shares, ratios or changes.
        what: the value in words, with the average over pairs.
        pick: whether a click picks a cell.
    """
    n_layers = frame["layer"].nunique()
    one_row = site == "embedding"
    chart = alt.Chart(frame.assign(layer="input") if one_row else frame)
    base = chart.encode(
        x=alt.X(
            "group:N",
            sort=list(dict.fromkeys(frame["group"])),
            title=None,
            axis=alt.Axis(labelAngle=-35, labelOverlap=False, labelLimit=140, minExtent=75),
        ),
        y=_layers(n_layers),
    )
    legend = alt.Legend(
        title=what,
        titleLimit=300,
        orient="bottom",
        direction="horizontal",
        gradientLength=230,
        tickCount=5,
        labelExpr=_LABELS[kind],
    )
    number = alt.Tooltip("value:Q", format=".3~p" if kind == "share" else ".3~g", title=what)
    cells = base.mark_rect(cursor="pointer" if pick else "default").encode(
        color=alt.Color("shown:Q", scale=_scale(HUES[site], dark, top, kind), legend=legend),
        tooltip=[alt.Tooltip("layer:O"), alt.Tooltip("group:N", title="position"), number, *_interval(frame)],
    )
    if pick:
        cells = cells.add_params(alt.selection_point(name=PICK, fields=["name"], on="click", toggle="true"))
    frames = base.transform_filter("datum.selected").mark_rect(fill=None, stroke=ink(dark), strokeWidth=2.5).encode()
    height = _height(n_layers, 230 if one_row else 190)
    return (cells + frames).properties(width=HALF, height=height, title=SITE_NAMES[site])


def _interval(frame: pd.DataFrame) -> list[alt.Tooltip]:
    return [alt.Tooltip("interval:N", title="95% interval")] if "interval" in frame else []


def maps_printed(parts: list[tuple[str, str, pd.DataFrame]], top: float, kind: Kind, what: str) -> alt.TopLevelMixin:
    """All maps of a page as one picture: (title, site, frame) of each."""
    charts = [
        effect_map(frame, False, site, top, kind, what, pick=False).properties(title=f"{title}: {SITE_NAMES[site]}")
        for title, site, frame in parts
    ]
    return alt.concat(*charts, columns=2).resolve_scale(color="independent")


def last_lines(frame: pd.DataFrame, dark: bool, kind: Kind, what: str) -> alt.LayerChart:
    """A value (`what` in words) by layer at the last position.

    Args:
        frame: columns layer, site (its name), task, value, shown; low and high (as drawn) and interval (in words) where
            the value has an interval, which is then a band.
        dark: the page's theme.
        kind: shares, ratios or changes.
        what: the value in words, with the average over pairs.
    """
    names = [name for name in SITE_NAMES.values() if (frame["site"] == name).any()]
    hues = [HUES[site] for site, name in SITE_NAMES.items() if name in names]
    tasks = list(dict.fromkeys(frame["task"]))
    scales = {"share": alt.Scale(domainMin=0), "ratio": alt.Scale(type="log"), "change": alt.Scale(zero=True)}
    y = alt.Y("shown:Q", title=what, scale=scales[kind], axis=alt.Axis(labelExpr=_LABELS[kind], tickCount=6))
    legend = alt.Legend(title=None, orient="top", symbolType="stroke", symbolSize=400, symbolStrokeColor=ink(dark))
    base = alt.Chart(frame).encode(
        x=alt.X("layer:O", title="layer", axis=alt.Axis(labelAngle=0)),
        y=y,
        color=alt.Color(
            "site:N", scale=alt.Scale(domain=names, range=hues), legend=alt.Legend(title=None, orient="top")
        ),
        detail="task:N",
        tooltip=[
            "layer:O",
            alt.Tooltip("site:N", title="copied"),
            alt.Tooltip("task:N", title="pairs"),
            alt.Tooltip("value:Q", format=".3~p" if kind == "share" else ".3~g", title=what),
            *_interval(frame),
        ],
    )
    lines = base.mark_line(strokeWidth=2.5).encode(
        strokeDash=alt.StrokeDash(
            "task:N",
            scale=alt.Scale(domain=tasks, range=[[1, 0], [5, 4]][: len(tasks)]),
            legend=legend if len(tasks) > 1 else None,
        )
    )
    layers = lines + base.mark_point(filled=True, size=40)
    if "interval" in frame:
        bands = base.mark_area(opacity=0.15).encode(y=alt.Y("low:Q", scale=scales[kind], title=what), y2="high:Q")
        layers = layers + bands  # the legend has the colours of the first layer
    return layers.properties(height=300)


def head_effect_map(frame: pd.DataFrame, dark: bool, kind: Kind, what: str) -> alt.Chart:
    """Effect (`what` in words) of each head at the last position. Columns: layer, head, name, value."""
    n_layers, n_heads = frame["layer"].nunique(), frame["head"].nunique()
    top = top_of([frame["value"]], kind)
    return (
        alt.Chart(frame.assign(shown=shown_values(frame["value"], kind)))
        .mark_rect()
        .encode(
            x=alt.X("head:O", title="head", axis=alt.Axis(labelAngle=0)),
            y=_layers(n_layers),
            color=alt.Color(
                "shown:Q",
                scale=_scale(ATTENTION, dark, top, kind),
                legend=alt.Legend(
                    title=what,
                    titleLimit=300,
                    labelExpr=_LABELS[kind],
                    tickCount=5,
                    orient="bottom",
                    direction="horizontal",
                    gradientLength=230,
                ),
            ),
            tooltip=[alt.Tooltip("name:N", title="head"), alt.Tooltip("value:Q", format=".3~g", title=what)],
        )
        .properties(width=min(820, max(10, min(30, 640 // n_heads)) * n_heads + 160), height=_height(n_layers, 130))
    )
