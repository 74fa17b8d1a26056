"""The relative importance of the late modules at the last position: ours and the authors', with intervals."""

import math

import pandas as pd
import streamlit as st

from core.mediation.effect import Average
from core.mediation.importance import PRINTED, largest_pair
from core.mediation.study import MODULES
from core.statistics.intervals import Estimate
from pages.mediation.charts import SITE_NAMES
from pages.mediation.numbers import effect_text
from pages.mediation.task import Task
from pages.shared.claims.estimates import share
from pages.shared.words import code, listed, percent


def importance_of(task: Task, average: Average) -> Estimate | None:
    """Relative importance of the late FFNs; None where no FFN was copied."""
    found = task.measured.importance.get("ffn")
    return None if found is None else found.mean if average == "mean" else found.geometric


def importance(tasks: list[Task]) -> None:
    """The table of relative importance, and how much one pair carries."""
    rows = [_row(task, site) for task in tasks for site in MODULES if site in task.measured.importance]
    if not rows:
        return
    st.subheader("Relative importance of the late modules at the last position")
    st.dataframe(pd.DataFrame(rows), hide_index=True, key="flow importance")
    st.caption(
        "The share of the late half of the layers, at the last position, in the sum of log(IE + 1) over all layers and "
        "positions; in brackets a 95% bootstrap interval over the pairs. The authors raise every cell to at least 0.1, "
        "so cells without any effect add to their sum; they also have other position groups, count the embedding as a "
        f"site, and their late half begins one layer earlier. {_printed()}"
    )
    st.markdown(" ".join(told for task in tasks for told in _largest(task, len(tasks) > 1)))


def _row(task: Task, site: str) -> dict[str, str]:
    found = task.measured.importance[site]  # type: ignore[index]
    authors = "–" if found.authors is None else share(found.authors)
    return {
        "pairs": task.name,
        "module": SITE_NAMES[site],
        "geometric mean": share(found.geometric),
        "mean": share(found.mean),
        "as the authors compute it": authors,
    }


def _printed() -> str:
    """The authors' own numbers, where their text prints them."""
    told = [f"{percent(p.share)} for the FFNs of {p.model} ({p.kind}, {p.n_pairs} pairs)" for p in PRINTED]
    return f"Printed in their notebook: {listed(told)}."


def _largest(task: Task, several: bool) -> list[str]:
    """How much of the largest arithmetic mean at the last position one pair carries."""
    out = []
    measured = task.measured
    for site in MODULES:
        found = largest_pair(measured.found, site) if site in measured.found.effects else None
        if found is None or len(measured.found.pairs) < 2 or task.is_control:
            continue
        pair = measured.found.pairs[found.pair]
        last = measured.found.effects[site][found.pair].log_effect[found.layer, -1]
        out.append(
            f"At the last position one pair of {len(measured.found.pairs)} carries **{percent(found.share)}** of the "
            f"largest arithmetic mean of the {SITE_NAMES[site]}{f' ({task.name})' if several else ''}, in layer "
            f"{found.layer}: {code(pair.base)} with {code(pair.alternative)}, IE "
            f"{effect_text(math.expm1(float(last)))}."
        )
    return out
