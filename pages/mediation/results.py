"""Results over all pairs: what is shown of them, maps, lines by layer, sentences, table and downloads."""

import pandas as pd
import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.mediation.effect import AVERAGES, INDIRECT_EFFECT, Average
from core.mediation.groups import GROUPINGS, Grouping
from core.mediation.probability_changes import PROBABILITY_CHANGES
from core.model.load import LoadedModel
from pages.mediation.charts import maps_printed
from pages.mediation.importance import importance
from pages.mediation.maps import lines, maps, parts_of, top
from pages.mediation.metric import CHOICES, Shown, metric_of
from pages.mediation.sentences import line_sentence, sentence, specificity
from pages.mediation.task import Task
from pages.shared.present import table_below


def results(lm: LoadedModel, tasks: list[Task], shown: Shown) -> None:
    """Shows the results for whole modules."""
    parts = parts_of(tasks, shown)
    maps(tasks, parts, shown)
    for task in tasks:
        sentence(lm, task, shown.average, len(tasks) > 1)
    if len(tasks) > 1:
        specificity(lm, tasks, shown.average)
    drawn = lines(parts, shown)
    if len(drawn):
        line_sentence(lm, drawn, shown)
    importance(tasks)
    table = pd.concat([task.table.assign(pairs=task.name) for task in tasks], ignore_index=True)
    settings = {
        "tasks": [task.settings for task in tasks],
        "shown": shown.choice,
        "average": shown.average,
        "groups": shown.grouping,
    }
    table_below(
        "causal-mediation",
        lm,
        settings,
        table,
        lambda dark: maps_printed(parts, top(parts, shown), shown.kind, shown.what),
    )


def choose(task: Task) -> Shown:
    """The boxes above the maps: what is shown of the results."""
    metric = metric_of(task.measured.found)
    left, middle, right = st.columns([3, 3, 2])
    choice = left.selectbox(
        "Shown",
        CHOICES,
        key="flow_shown",
        bind="query-params",
        format_func=lambda each: metric.effect if each == INDIRECT_EFFECT else each,
        help="Beside the measured quantity: shares of changed predictions, and the other changes of both results' "
        "probabilities that the paper's authors compute.",
    )
    average: Average = middle.segmented_control(
        "Average over pairs",
        AVERAGES,
        default="geometric mean",
        key="flow_average",
        bind="query-params",
        required=True,
        help="Of the indirect effect. The paper takes the mean, which a few pairs with huge effects dominate; they do "
        "not dominate the geometric mean of IE + 1.",
    )
    grouping = _grouping(right) if has_both_groupings(task) else "roles"
    if choice in PROBABILITY_CHANGES:
        st.caption(f"${PROBABILITY_CHANGES[choice].formula}$, mean over pairs and positions.")
    return Shown(choice, metric, average, grouping)


def has_both_groupings(task: Task) -> bool:
    """Whether positions can be grouped in two ways; in a person's own prompts each is a group of its own."""
    return any(pair.cma_groups is not None for pair in task.measured.found.pairs)


def _grouping(place: DeltaGenerator) -> Grouping:
    return place.segmented_control(
        "Positions",
        GROUPINGS,
        default="roles",
        key="flow_groups",
        bind="query-params",
        required=True,
        help="*Roles*: operands, operator, last, others.  \n*CMA*: as in its authors' notebook, the tokens before, "
        "between and after the operands are apart, and the operator is one of those between.",
    )
