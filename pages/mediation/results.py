"""Results over all pairs: maps, lines by layer, sentences, table and downloads."""

from collections import Counter
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import pandas as pd
import streamlit as st

from core.mediation.effect import AVERAGES, INDIRECT_EFFECT, Average
from core.mediation.groups import ASKED as ASKED_THING
from core.mediation.groups import LAST, OPERATOR, SUBJECT
from core.mediation.study import MeasuredPairs
from core.mediation.summary import OPERANDS, finding
from core.model.load import LoadedModel
from pages.mediation.charts import (
    HALF,
    SITE_NAMES,
    Kind,
    effect_map,
    last_lines,
    maps_printed,
    shown_values,
    top_of,
)
from pages.mediation.metric import ShownMetric, metric_of
from pages.mediation.numbers import effect_text
from pages.mediation.picking import picked_cell, toggle
from pages.shared.charts import PICK
from pages.shared.present import table_below
from pages.shared.theme import is_dark
from pages.shared.words import code, listed, percent

MEASURES = {INDIRECT_EFFECT: None, "wanted changes": "wanted", "unwanted changes": "unwanted"}

#: Where the two prompts of each kind differ: position groups, and their name in a sentence.
ASKED: dict[str, tuple[tuple[str, ...], str]] = {
    "other operands": (OPERANDS, "the operands"),
    "same result": (OPERANDS, "the operands"),
    "three operands": (OPERANDS, "the operands"),
    "other operator": ((OPERATOR,), "the operator"),
    "number retrieval": ((ASKED_THING,), "the asked thing"),
    "facts": ((SUBJECT,), "the subject"),
}
#: Kinds about which the paper says it.
FINDING = ("other operands", "three operands")
OTHER_TASKS = ("number retrieval", "facts")


@dataclass(frozen=True)
class Task:
    """One kind of pair with what was measured."""

    name: str
    measured: MeasuredPairs

    @property
    def settings(self) -> dict[str, Any]:
        """What was asked, for downloads."""
        return asdict(self.measured.settings)


def results(lm: LoadedModel, tasks: list[Task]) -> Average:
    """Shows the results for whole modules; returns the chosen average."""
    metric = metric_of(tasks[0].measured.found)
    left, right = st.columns(2)
    measure = left.segmented_control(
        "Shown",
        list(MEASURES),
        default=INDIRECT_EFFECT,
        key="flow_shown",
        bind="query-params",
        required=True,
        format_func=lambda shown: metric.effect if shown == INDIRECT_EFFECT else shown,
    )
    average: Average = right.segmented_control(
        "Average over pairs",
        AVERAGES,
        default="mean",
        key="flow_average",
        bind="query-params",
        required=True,
        help="The paper takes the mean. A few pairs with huge effects do not dominate the geometric mean of IE + 1.",
    )
    share = MEASURES[measure] is not None
    kind: Kind = "share" if share else metric.kind
    what = f"{measure} (share of pairs)" if share else metric.averaged(average)
    column = MEASURES[measure] or metric.column(average)
    parts = [
        (task.name, site, _frame(task, number, site, column, kind))
        for site in SITE_NAMES
        for number, task in enumerate(tasks)
    ]
    top = top_of([frame["shown"] for *_, frame in parts], kind)
    _maps(tasks, parts, top, kind, what)
    for task in tasks:
        _sentence(lm, task, average, len(tasks) > 1)
    if len(tasks) > 1:
        _specificity(tasks, average)
    st.subheader("At the last position, by layer")
    lines = _last(parts)
    st.altair_chart(last_lines(lines, is_dark(), kind, what), alt=f"{what} at the last position by layer")
    if kind == "change":
        _change_sentence(lines, metric)
    else:
        _line_sentence(lines, measure if share else what, share)
    table = pd.concat([task.measured.table.assign(pairs=task.name) for task in tasks], ignore_index=True)
    settings = {"tasks": [task.settings for task in tasks], "shown": measure, "average": average}
    table_below("causal-mediation", lm, settings, table, lambda dark: maps_printed(parts, top, kind, what))
    return average


def _frame(task: Task, number: int, site: str, column: str, kind: Kind) -> pd.DataFrame:
    """One map's cells."""
    table = task.measured.table
    mine = table[table["site"] == site].copy()
    mine["value"] = mine[column].astype(float)
    mine["shown"] = shown_values(mine["value"], kind)
    mine["name"] = [
        f"{number}|{site}|{layer}|{group}" for layer, group in zip(mine["layer"], mine["group"], strict=True)
    ]
    mine["selected"] = mine["name"] == picked_cell()
    return mine[["layer", "group", "value", "shown", "name", "selected", "values"]]


def _maps(tasks: list[Task], parts: list[tuple[str, str, pd.DataFrame]], top: float, kind: Kind, what: str) -> None:
    for row in range(0, len(parts), 2):
        for place, (title, site, frame) in zip(st.columns(2), parts[row : row + 2], strict=True):
            key = f"flow map {title} {site}"
            chart = effect_map(frame, is_dark(), site, top, kind, what)
            name = SITE_NAMES[site] if len(tasks) == 1 else f"{title}: {SITE_NAMES[site]}"
            if key not in st.session_state:  # a new chart has no clicks, whatever an earlier one had
                st.session_state.pop(f"{key} clicks", None)
            place.altair_chart(
                chart.properties(title=name, width=HALF),
                key=key,
                on_select=lambda key=key: toggle(key),
                selection_mode=PICK,
                alt=f"{name} by layer and position",
                width="content",
            )
    st.caption("Click a cell to see each pair below. All maps have the same scale.")


def _examples(task: Task) -> str:
    pair = task.measured.found.pairs[0]
    return f"such as {code(pair.base)} with {code(pair.alternative)}"


def _sentence(lm: LoadedModel, task: Task, average: Average, several: bool) -> None:
    """Where the FFNs' effect is located, and whether that is the paper's finding."""
    found = task.measured.found
    n = len(found.pairs)
    if n < task.measured.settings.count:
        why = "the measurement was stopped" if n < found.asked else "the model answers no other such pair correctly"
        st.caption(f"{task.name}: {n} of {task.measured.settings.count} pairs, because {why}.")
    total = median(e.total_effect for e in found.effects["ffn"])
    told = [f"**{task.name.capitalize()}.**"] if several else []
    told += [f"{n} pair{'s' * (n != 1)}, {_examples(task)}; the total effect is {effect_text(total)} (median)."]
    told += _halves(lm, task, average)
    importance = percent(_importance(task, average))
    ways = Counter(pair.read_at for pair in found.pairs)
    told += ["Results: " + listed([f"{how} ({count})" for how, count in ways.items()]) + "."]
    told += [f"Relative importance of the late FFNs at the last position: **{importance}** ({average} of IE)."]
    st.markdown(" ".join(told))


def _halves(lm: LoadedModel, task: Task, average: Average) -> list[str]:
    """Shares of the FFNs' effect by half of the layers, and the verdict on the paper's finding."""
    table = task.measured.table
    groups, name = ASKED.get(task.name, ((), ""))
    shown = finding(table, lm.n_layers, "ffn", average, groups)
    if shown is None:
        return [_strongest(table, average)]
    half = -(-lm.n_layers // 2)
    told = [
        f"Of the FFNs' effect ({average} of IE) in layers 0 to {half - 1}, {percent(shown.early_operands)} is at "
        f"{name} and {percent(shown.early_last)} at the last position; in layers {half} to {lm.n_layers - 1}, "
        f"{percent(shown.late_operands)} and {percent(shown.late_last)}.",
        f"It peaks in layer {shown.peak_operands} at {name} and in layer {shown.peak_last} at the last position.",
    ]
    if task.name in FINDING:
        verdict = "holds" if shown.holds else "does not hold"
        told.append(
            f"**The paper's finding {verdict} here**: early FFNs carry the operands at the operands' positions, later "
            "FFNs at the last position."
        )
    return told


def _strongest(table: pd.DataFrame, average: Average) -> str:
    told = []
    for site, name in SITE_NAMES.items():
        mine = table[table["site"] == site]
        best = mine.loc[mine[average].idxmax()]
        told.append(f"{name} of layer {best['layer']} at {code(best['group'])} (IE {effect_text(best[average])})")
    return f"The largest effects ({average}): " + " and ".join(told) + "."


def _importance(task: Task, average: Average) -> float:
    """Relative importance of the late FFNs at the last position."""
    found = task.measured.importance["ffn"]
    return (found.mean if average == "mean" else found.geometric).value


def _specificity(tasks: list[Task], average: Average) -> None:
    shares = [(t.name, _importance(t, average)) for t in tasks]
    told = " and ".join(f"{percent(share)} for {name}" for name, share in shares)
    first, second = (share for _, share in shares)
    more = "higher" if first > second else "lower" if first < second else "no higher"
    paper = " In the paper it is highest for arithmetic." if shares[1][0] in OTHER_TASKS else ""
    st.markdown(
        f"The relative importance of the late FFNs at the last position is {told} ({average} of IE), so it is {more} "
        f"for {shares[0][0]}.{paper}"
    )


def _last(parts: list[tuple[str, str, pd.DataFrame]]) -> pd.DataFrame:
    rows = []
    for task, site, frame in parts:
        group = LAST if (frame["group"] == LAST).any() else frame["group"].iloc[-1]
        rows.append(frame[frame["group"] == group].assign(task=task, module=SITE_NAMES[site]))
    return pd.concat(rows, ignore_index=True)[["layer", "module", "task", "value", "shown", "values"]]


def _change_sentence(lines: pd.DataFrame, metric: ShownMetric) -> None:
    changes = []
    for (task, module), mine in lines.groupby(["task", "module"], sort=False):
        best = mine.loc[mine["value"].abs().idxmax()]
        where = f"{module} of layer {best['layer']} ({metric.in_words(best['value'])})"
        changes.append(where + (f", {task}" if lines["task"].nunique() > 1 else ""))
    st.markdown(f"Largest {metric.effect} (mean) at the last position: " + "; ".join(changes) + ".")


def _line_sentence(lines: pd.DataFrame, measure: str, share: bool) -> None:
    told = []
    for (task, module), mine in lines.groupby(["task", "module"], sort=False):
        best = mine.loc[mine["value"].idxmax()]
        value = f"{percent(best['value'])} of {best['values']}" if share else effect_text(best["value"])
        where = f"{module} of layer {best['layer']} ({value})" if best["value"] > 0 else f"{module}: none in any layer"
        told.append(where + (f", {task}" if lines["task"].nunique() > 1 else ""))
    st.markdown(f"{'Most' if share else 'Largest'} {measure} at the last position: " + "; ".join(told) + ".")
