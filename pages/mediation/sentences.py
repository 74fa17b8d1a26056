"""What the pictures show, in sentences: where the effect is located, beside what the paper found."""

from collections import Counter
from statistics import median

import pandas as pd
import streamlit as st

from core.mediation.effect import Average
from core.mediation.groups import DIFFERING
from core.mediation.location import Location, locate
from core.model.load import LoadedModel
from core.statistics.intervals import Estimate
from pages.mediation.charts import SITE_NAMES
from pages.mediation.importance import importance_of
from pages.mediation.metric import Shown
from pages.mediation.numbers import effect_text
from pages.mediation.task import Task
from pages.shared.claims.badge import Topic, finding
from pages.shared.claims.estimates import lead, share
from pages.shared.words import code, listed, percent

#: What differs between the two prompts of each kind, in a sentence; `DIFFERING` has the position groups.
ASKED = {
    "other operands": "the operands",
    "same result": "the operands",
    "three operands": "the operands",
    "other operator": "the operator",
    "number retrieval": "the asked thing",
    "facts": "the subject",
}
#: Kinds about which the paper says it.
FINDING = ("other operands", "three operands")
#: What a finding about a kind of pair is about; others are about arithmetic.
TOPICS: dict[str, Topic] = {"number retrieval": "retrieval", "facts": "facts"}
OTHER_TASKS = ("number retrieval", "facts")


def sentence(lm: LoadedModel, task: Task, average: Average, several: bool) -> None:
    """Where the effect of one task is located."""
    found = task.measured.found
    n = len(found.pairs)
    if n < task.measured.settings.count:
        why = "the measurement was stopped" if n < found.asked else "the model answers no other such pair correctly"
        st.caption(f"{task.name}: {n} of {task.measured.settings.count} pairs, because {why}.")
    total = median(e.total_effect for e in next(iter(found.effects.values())))
    told = [f"**{task.name.capitalize()}.**"] if several else []
    told += [f"{n} pair{'s' * (n != 1)}, {_examples(task)}; the total effect is {effect_text(total)} (median)."]
    if task.is_control:
        told += [_strongest(task, average)]
    else:
        told += _halves(lm, task, average)
        ways = Counter(pair.read_at for pair in found.pairs)
        told += ["Results: " + listed([f"{how} ({count})" for how, count in ways.items()]) + "."]
        importance = importance_of(task, average)
        if importance is not None:
            told += [
                f"Relative importance of the late FFNs at the last position: **{share(importance)}** ({average} of IE)."
            ]
    if task.is_control:
        st.markdown(" ".join(told))
    else:
        finding(lm, TOPICS.get(task.kind, "flow"), " ".join(told), f"flow {task.name}")


def _examples(task: Task) -> str:
    pair = task.measured.found.pairs[0]
    return f"such as {code(pair.base)} with {code(pair.alternative)}"


def _halves(lm: LoadedModel, task: Task, average: Average) -> list[str]:
    """Shares of the FFNs' effect by half of the layers, and how they compare with the paper's finding."""
    measured = task.measured.found
    groups, name = DIFFERING.get(task.kind, ()), ASKED.get(task.kind, "")
    has_ffn = "ffn" in measured.effects
    found = locate(measured, lm.n_layers, "ffn", average, groups, task.grouping) if has_ffn else None
    if found is None:
        return [_strongest(task, average)]
    half = -(-lm.n_layers // 2)
    early, late = f"layers 0 to {half - 1}", f"layers {half} to {lm.n_layers - 1}"
    told = [
        f"Of the FFNs' effect ({average} of IE), in {early} {share(found.early_asked)} is at {name} and "
        f"{share(found.early_last)} at the last position; in {late}, {share(found.late_last)} is at the last position "
        f"and {share(found.late_asked)} at {name}.",
        f"It peaks in layer {found.peak_asked} at {name} and in layer {found.peak_last} at the last position.",
    ]
    if task.kind in FINDING:
        told.append(beside_paper(found, len(measured.pairs), early, late))
    return told


def beside_paper(found: Location, n_pairs: int, early: str, late: str) -> str:
    """The paper's finding, and whether the intervals of what is measured allow it.

    Args:
        found: where the FFNs' effect is.
        n_pairs: how many pairs were measured.
        early: the first half of the layers, in words.
        late: the second half.
    """
    paper = "The paper (CMA): early FFNs act at the operands, later ones at the last position."
    if n_pairs < 2:
        return f"{paper} One pair has no interval, so it cannot be told whether that is so here."
    leads = (
        f"here the operands lead by {lead(found.early_lead)} in {early}, and the last position by "
        f"{lead(found.late_lead)} in {late}"
    )
    judged = {
        "agrees": "Both intervals are above zero, so these pairs **agree** with it.",
        "differs": "An interval is below zero, so these pairs **differ** from it.",
        "cannot tell": f"An interval includes zero, so these {n_pairs} pairs **cannot tell**.",
    }
    return f"{paper} Measured: {leads} (95% intervals over {n_pairs} pairs). {judged[found.verdict]}"


def _strongest(task: Task, average: Average) -> str:
    table = task.table
    told = []
    for site, name in SITE_NAMES.items():
        mine = table[table["site"] == site]
        if mine.empty:
            continue
        best = mine.loc[mine[average].idxmax()]
        where = name if site == "embedding" else f"{name} of layer {best['layer']}"
        told.append(f"{where} at {code(best['group'])} (IE {effect_text(best[average])})")
    return f"The largest effects ({average}): " + listed(told) + "."


def specificity(lm: LoadedModel, tasks: list[Task], average: Average) -> None:
    """Compares two kinds of pair, or the model with random weights."""
    if tasks[1].is_control:
        return _beside_control(tasks, average)
    first, second = (importance_of(task, average) for task in tasks)
    if first is None or second is None:
        return None
    told = f"{share(first)} for {tasks[0].name} and {share(second)} for {tasks[1].name}"
    paper = " The paper: it is highest for arithmetic." if tasks[1].name in OTHER_TASKS else ""
    finding(
        lm,
        "flow",
        f"The relative importance of the late FFNs at the last position is {told} ({average} of IE, 95% intervals over "
        f"pairs): {_which_is_higher(first, second, tasks[0].name)}.{paper}",
        "flow of two kinds",
    )
    return None


def _which_is_higher(first: Estimate, second: Estimate, name: str) -> str:
    if first.low > second.high:
        return f"higher for {name}"
    if first.high < second.low:
        return f"lower for {name}"
    return "with these pairs it cannot be told for which it is higher"


def _beside_control(tasks: list[Task], average: Average) -> None:
    trained, control = (float(task.table[average].max()) for task in tasks)
    st.markdown(
        f"The largest effect ({average} of IE) is {effect_text(trained)} in this model and {effect_text(control)} with "
        "random weights on the same prompts: what the maps of both share comes from the architecture and the prompts, "
        "not from what was learned."
    )


def line_sentence(lm: LoadedModel, lines: pd.DataFrame, shown: Shown) -> None:
    """The largest values at the last position."""
    told = []
    for (task, site), mine in lines.groupby(["task", "site"], sort=False):
        sizes = mine["value"].abs() if shown.kind == "change" else mine["value"]
        best = mine.loc[sizes.idxmax()]
        value = f"{percent(best['value'])} of {best['values']}" if shown.is_share else shown.in_words(best["value"])
        none = shown.kind != "change" and best["value"] <= 0
        where = f"{site}: none in any layer" if none else f"{site} of layer {best['layer']} ({value})"
        told.append(where + (f", {task}" if lines["task"].nunique() > 1 else ""))
    what = shown.name if shown.is_share else shown.what
    most = "Most" if shown.is_share else "Largest"
    finding(lm, "flow", f"{most} {what} at the last position: {'; '.join(told)}.", "flow by layer")
