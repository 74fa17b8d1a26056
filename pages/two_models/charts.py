"""Charts of both bundled models on one scale, from tidy tables; nothing is computed here."""

from collections.abc import Callable

import altair as alt
import pandas as pd

from pages.shared.charts import number_tip, percent_tip, with_percent
from pages.shared.theme import ATTENTION, EMBEDDING, FFN, RESIDUAL, RISE, diverging, ink, sequential

#: The models in order, by the hues of their badges.
COLORS = {"shaped": ATTENTION, "plain": RESIDUAL}
TITLES = {"shaped": "shaped model", "plain": "plain model, not shaped"}
SEEDS = [RESIDUAL, EMBEDDING, RISE]
SHAPES = ["circle", "square", "triangle-up"]
PANEL, POINTS = 390, 820  # pixels

#: A chart of each model, on the same scales.
Panels = list[alt.Chart | alt.LayerChart]


def _models(frame: pd.DataFrame) -> list[str]:
    return [model for model in COLORS if model in set(frame["model"])]


def _panels(frame: pd.DataFrame, draw: Callable[[pd.DataFrame], alt.Chart | alt.LayerChart]) -> Panels:
    """A chart of each model; `draw` gives all the same scales."""
    return [draw(frame[frame["model"] == model]).properties(title=TITLES[model]) for model in _models(frame)]


def side_by_side(panels: Panels) -> alt.HConcatChart:
    """The panels in one picture, for a download."""
    return alt.hconcat(*panels)


def head_maps(frame: pd.DataFrame, dark: bool, title: str) -> Panels:
    """Relative decrease by layer and head. Columns: model, layer, head, name, decrease, and low and high or neither."""
    limit = float(frame["decrease"].abs().max())
    shares = [name for name in ("decrease", "low", "high") if name in frame]
    tips = {"decrease": "relative decrease", "low": "95% interval from", "high": "to"}

    def draw(mine: pd.DataFrame) -> alt.Chart:
        return (
            alt.Chart(mine)
            .mark_rect()
            .encode(
                x=alt.X("head:O", title="head", axis=alt.Axis(labelAngle=0)),
                y=alt.Y("layer:O", title="layer", sort="descending"),
                color=alt.Color(
                    "decrease:Q",
                    scale=diverging(limit if limit == limit else 1.0, dark),
                    legend=alt.Legend(title=title, titleLimit=0, format="%", orient="bottom", gradientLength=240),
                ),
                tooltip=[
                    alt.Tooltip("model:N"),
                    alt.Tooltip("name:N", title="head"),
                    *(percent_tip(name, tips[name]) for name in shares),
                ],
            )
            .properties(width=PANEL, height=190 + 26 * mine["layer"].nunique())
        )

    return _panels(with_percent(frame, *shares), draw)


def neuron_bars(frame: pd.DataFrame, dark: bool) -> Panels:
    """The neurons of one sum by their change. Columns: model, rank, label, layer, change, importance, tokens."""
    domain = [min(0.0, float(frame["change"].min())), max(float(frame["change"].max()), 0.01) * 2]

    def draw(mine: pd.DataFrame) -> alt.LayerChart:
        base = alt.Chart(mine).encode(
            y=alt.Y("rank:O", title=None, axis=None),
            x=alt.X("change:Q", title="change of importance (nats)", scale=alt.Scale(domain=domain)),
            tooltip=[
                alt.Tooltip("label:N", title="neuron"),
                number_tip("change", "change (nats)"),
                number_tip("importance", "importance (nats)"),
                alt.Tooltip("tokens:N", title="promotes"),
            ],
        )
        names = base.mark_text(align="left", dx=4, color=ink(dark), fontSize=11, limit=190).encode(text="label:N")
        return (base.mark_bar(color=FFN) + names).properties(width=PANEL, height=80 + 22 * len(mine))

    return _panels(frame, draw)


def flow_maps(frame: pd.DataFrame, dark: bool) -> Panels:
    """Shares of the FFNs' effect by half of the layers and position. Columns: model, half, where, value, low, high."""
    order = list(dict.fromkeys(frame["half"]))[::-1]  # the input is below
    legend = alt.Legend(title="share of the half's effect", format="%", orient="bottom", gradientLength=240)

    def draw(mine: pd.DataFrame) -> alt.LayerChart:
        base = alt.Chart(mine).encode(
            x=alt.X("where:N", sort=["operands", "last position"], title=None, axis=alt.Axis(labelAngle=0)),
            y=alt.Y("half:N", sort=order, title=None),
            tooltip=[
                alt.Tooltip("half:N", title="layers"),
                alt.Tooltip("where:N", title="position"),
                percent_tip("value", "share"),
                percent_tip("low", "95% interval from"),
                percent_tip("high", "to"),
            ],
        )
        cells = base.mark_rect().encode(color=alt.Color("value:Q", scale=sequential(FFN, dark), legend=legend))
        shares = base.mark_text(fontSize=14).encode(
            text="value_text:N",
            color=alt.condition("datum.value > 0.6", alt.value("#FFFFFF"), alt.value(ink(dark))),
        )
        return (cells + shares).properties(width=PANEL, height=240)

    return _panels(with_percent(frame, "value", "low", "high"), draw)


def interval_points(frame: pd.DataFrame, dark: bool, title: str) -> alt.LayerChart:
    """A row for each question, with a point and its 95% interval for each model.

    Columns: question (in order), model, value, low, high (shares; NaN ends are not drawn), n.
    """
    models = _models(frame)
    return _points(frame, title, "model", {model: COLORS[model] for model in models}, [alt.Tooltip("n:N", title="of")])


def seed_points(frame: pd.DataFrame, dark: bool) -> alt.LayerChart:
    """The same for the seeds of the plain model. Columns: question (in order), seed, value, low, high."""
    seeds = dict(zip(dict.fromkeys(frame["seed"]), SEEDS * len(frame), strict=False))
    return _points(frame, "share", "seed", seeds, [])


def _points(
    frame: pd.DataFrame, title: str, by: str, colors: dict[str, str], tips: list[alt.Tooltip]
) -> alt.LayerChart:
    rows, whose = with_percent(frame, "value", "low", "high"), list(colors)
    questions = list(dict.fromkeys(rows["question"]))
    ends = rows[["value", "low", "high"]]
    domain = [min(0.0, float(ends.min().min())), max(0.01, float(ends.max().max()))]
    base = alt.Chart(rows).encode(
        y=alt.Y("question:N", sort=questions, title=None, axis=alt.Axis(labelLimit=360, labelOverlap=False)),
        yOffset=alt.YOffset(f"{by}:N", sort=whose),
        color=alt.Color(
            f"{by}:N",
            sort=whose,
            scale=alt.Scale(domain=whose, range=list(colors.values())),
            legend=alt.Legend(title=None, orient="top"),
        ),
        tooltip=[
            alt.Tooltip("question:N"),
            alt.Tooltip(f"{by}:N"),
            percent_tip("value"),
            percent_tip("low", "95% interval from"),
            percent_tip("high", "to"),
            *tips,
        ],
    )
    x = alt.X("value:Q", title=title, axis=alt.Axis(format="%", tickCount=8), scale=alt.Scale(domain=domain))
    bars = base.transform_filter("isValid(datum.low) && isValid(datum.high)").mark_rule(strokeWidth=2)
    shapes = alt.Scale(domain=whose, range=[SHAPES[number % len(SHAPES)] for number in range(len(whose))])
    points = base.mark_point(filled=True, size=80, opacity=1).encode(
        x=x, shape=alt.Shape(f"{by}:N", sort=whose, scale=shapes)
    )
    return (bars.encode(x=alt.X("low:Q", title=title), x2="high:Q") + points).properties(
        width=POINTS,
        height=110 + 22 * len(whose) * len(questions),  # with axis and legend, which Streamlit fits in
    )
