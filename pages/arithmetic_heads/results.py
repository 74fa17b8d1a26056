"""Results of a sweep over all heads: heatmap, sentence, table, downloads."""

from collections.abc import Sequence
from functools import partial
from typing import Any

import altair as alt
import pandas as pd
import streamlit as st
import torch

from core.forward.answers import Scoring
from core.heads.accuracy import AccuracySweep
from core.heads.sweep import HeadSweep
from core.metrics import PROBABILITY, Metric, relative
from core.model.load import LoadedModel
from core.paper.models import LLAMA, model_of, table_for
from core.paper.tables import decrease_by_head
from pages.arithmetic_heads.notebook import notebook_sweep
from pages.arithmetic_heads.scoring import NAMES, cases_of
from pages.arithmetic_heads.sentences import difference_sentence, share_sentence
from pages.arithmetic_heads.top_heads import heads_by_digits
from pages.shared.charts import PICK, head_map
from pages.shared.claims.badge import finding
from pages.shared.inputs import HEADS, picked_heads
from pages.shared.papers import same_in_paper
from pages.shared.present import downloads
from pages.shared.settings import Settings
from pages.shared.theme import is_dark
from pages.shared.tokens import note_shift
from pages.shared.words import head_name, head_of, percent, three_digits

ALL = "all"
TOP = 12
OF_PROMPTS = "In brackets: 95% interval over prompts (paired bootstrap, 2,000 draws)."


def of_accuracy(lm: LoadedModel, swept: AccuracySweep, settings: Settings, scoring: Scoring) -> None:
    """Shows a sweep over arithmetic prompts, scored by answer tokens or whole answers."""
    note_shift(lm, swept.prompts)
    operations = list(dict.fromkeys(p.operation for p in swept.prompts))
    first, second = st.columns(2)
    measure = first.segmented_control(
        "Colour", ["accuracy", "probability"], default="accuracy", key="measure", bind="query-params", required=True
    )
    shown = second.segmented_control("Operation", [ALL, *operations], default=ALL, key="shown", required=True)
    chosen = [i for i, p in enumerate(swept.prompts) if shown in (ALL, p.operation) and swept.measured[i]]
    if not chosen:
        st.info("Nothing was measured for this operation yet.")
        return
    what = "the prompts" if shown == ALL else f"the {shown} prompts"
    if measure == "accuracy":
        original, values = swept.accuracy(chosen, scoring)
        n, what = int(swept.cases(chosen, scoring).sum()), cases_of(scoring, what)
        decrease = partial(swept.decrease, chosen=chosen, scoring=scoring)
    else:
        original = float(swept.probability_baseline[chosen].mean())
        n, values = len(chosen), swept.probability[chosen].mean(0)
        decrease = partial(swept.probability_decrease, chosen=chosen)
    frame = _map_frame(lm, values, original, n, None if shown == ALL else shown)
    _show_map(frame, measure)
    finding(lm, "heads", share_sentence(frame, decrease, measure, what, n), "heads swept")
    st.caption(OF_PROMPTS)
    table, counts = _table(swept, operations, scoring), _counts(swept, operations, scoring)
    st.markdown(
        f"**The {min(TOP, len(table) - 1)} heads with the largest decrease over all operations** "
        f"(accuracy without one head, scored by {NAMES[scoring]}; the first row is with all heads)"
    )
    st.dataframe(
        table,
        hide_index=True,
        column_config={c: _percent_column(f"{c} (of {counts[c]:,})") for c in table.columns if c != "head"},
    )
    table = swept.to_frame(scoring)
    downloads("arithmetic-heads", lm, settings, table, lambda dark: head_map(frame, dark, "decrease"))
    groups = swept.groups()
    heads_by_digits(lm, table, settings, lambda o, d, head: swept.decrease(*head, groups[o, d], scoring))
    same_in_paper(lm, 1)


def of_own_prompts(lm: LoadedModel, swept: HeadSweep, settings: Settings) -> None:
    """Shows a sweep over a person's own prompts."""
    done, metric = swept.measured, swept.metric
    n = int(done.sum())
    if not n:
        st.info("Stopped before the first prompt was measured.")
        return
    original, values = float(swept.value_baseline[done].mean()), swept.value[done].mean(0)
    frame = _map_frame(lm, values, original, n, None, metric)
    _show_map(frame, metric.name, metric.unit)
    predicted = [f"`{p}` → `{lm.token(t)}`" for p, t in zip(swept.prompts, swept.targets, strict=True) if t >= 0]
    st.markdown("Predictions: " + ", ".join(predicted[:6]) + (" ..." if len(predicted) > 6 else ""))
    if metric.is_share:
        quantity = f"{metric.name} of the prediction"
        said = share_sentence(frame, swept.value_decrease, quantity, "your prompts", n)
    else:
        said = difference_sentence(frame, swept.value_decrease, metric, n)
    finding(lm, "heads", said, "heads of own prompts")
    if n > 1:
        st.caption(OF_PROMPTS)
    top = frame.nlargest(TOP, "decrease")[["name", "original", "intervened", "decrease"]]
    numbers = [c for c in top.columns if c != "name"]
    st.dataframe(top.style.format(percent if metric.is_share else three_digits, subset=numbers), hide_index=True)
    title = _decrease_of(metric.name, metric.unit)
    notebook_sweep(lm, swept)
    downloads("heads-own-prompts", lm, settings, swept.to_frame(), lambda dark: _map(frame, dark, title, metric.unit))


def _map(frame: pd.DataFrame, dark: bool, title: str, unit: str) -> alt.Chart:
    return head_map(frame, dark, title, share=not unit)


def _decrease_of(measure: str, unit: str) -> str:
    return f"decrease of {measure}" + (f" ({unit})" if unit else "")


def _map_frame(
    lm: LoadedModel, values: torch.Tensor, original: float, n: int, operation: str | None, metric: Metric = PROBABILITY
) -> pd.DataFrame:
    theirs = paper_decrease(lm, operation)
    picked = set(picked_heads())
    rows = []
    for layer, row in enumerate(values.tolist()):
        for head, value in enumerate(row):
            name = head_name(layer, head)
            rows.append(
                (
                    layer,
                    head,
                    name,
                    relative(original, value) if metric.is_share else original - value,
                    original,
                    value,
                    n,
                    (layer, head) in picked,
                    theirs.get(name, "not given"),
                )
            )
    columns = ["layer", "head", "name", "decrease", "original", "intervened", "cases", "selected", "paper"]
    return pd.DataFrame(rows, columns=columns)


def paper_decrease(lm: LoadedModel, operation: str | None) -> dict[str, str]:
    """Relative decrease by head in table 1 of the paper (18 on GPT-J), for the tooltip."""
    model = model_of(lm)
    found = decrease_by_head(table_for(1, model), "all" if operation is None else f"2D{operation}")
    return {name: f"{percent(value)} ({model or LLAMA}, 2-digit)" for name, value in found.items()}


def _show_map(frame: pd.DataFrame, measure: str, unit: str = "") -> None:
    if "head map" not in st.session_state:  # a new chart has no clicks, whatever an earlier one had
        st.session_state.pop("head map clicks", None)
    st.altair_chart(
        _map(frame, is_dark(), _decrease_of(measure, unit), unit),
        width="content",
        key="head map",
        on_select=_toggle,
        selection_mode=PICK,
        alt=f"{_decrease_of(measure, unit).capitalize()} by layer and head",
    )
    st.caption("Click a head to pick it, click again to unpick it. By keyboard: *Heads to ablate* in the sidebar.")


def _toggle() -> None:
    """Moves the heatmap's clicks into the picked heads; works from what changed since the last click."""
    state = st.session_state["head map"]
    now = {row["name"] for row in state["selection"].get(PICK, []) if "name" in row}
    before = st.session_state.get("head map clicks", set())
    st.session_state["head map clicks"] = now
    picked = list(st.session_state.get(HEADS, []))
    for name in sorted(now ^ before, key=head_of):
        if name in picked:
            picked.remove(name)
        else:
            picked.append(name)
    st.session_state[HEADS] = picked


def _groups(swept: AccuracySweep, operations: Sequence[str]) -> dict[str, list[int]]:
    """The measured prompts, all of them and by operation."""
    measured = [i for i in range(len(swept.prompts)) if swept.measured[i]]
    return {ALL: measured, **{o: [i for i in measured if swept.prompts[i].operation == o] for o in operations}}


def _counts(swept: AccuracySweep, operations: Sequence[str], scoring: Scoring) -> dict[str, int]:
    """Cases of each group."""
    return {group: int(swept.cases(members, scoring).sum()) for group, members in _groups(swept, operations).items()}


def _table(swept: AccuracySweep, operations: Sequence[str], scoring: Scoring) -> pd.DataFrame:
    measured = {k: swept.accuracy(v, scoring) for k, v in _groups(swept, operations).items() if v}
    overall = measured[ALL][1]
    order = torch.argsort(overall.flatten(), stable=True)[:TOP].tolist()
    rows: list[dict[str, Any]] = [{"head": "all heads", **{k: o for k, (o, _) in measured.items()}}]
    for flat in order:
        layer, head = divmod(flat, overall.shape[1])
        rows.append({"head": head_name(layer, head), **{k: float(v[layer, head]) for k, (_, v) in measured.items()}})
    return pd.DataFrame(rows)


def _percent_column(label: str) -> Any:
    return st.column_config.NumberColumn(label, format="percent")
