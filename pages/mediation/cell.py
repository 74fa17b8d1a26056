"""One cell of the maps, pair by pair."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.mediation.effect import Average
from core.mediation.groups import LAST
from core.mediation.summary import by_position, ordered
from core.model.load import LoadedModel
from pages.mediation.charts import SITE_NAMES
from pages.mediation.metric import metric_of
from pages.mediation.numbers import effect_text
from pages.mediation.picking import pick, picked_cell
from pages.mediation.results import Task
from pages.shared.words import code, percent, visible


def cell(lm: LoadedModel, tasks: list[Task], average: Average) -> None:
    """Probabilities of both results in the base, alternative and patched runs of each pair."""
    st.subheader("One cell, pair by pair")
    chosen = _chosen(lm, tasks)
    if chosen is None:
        st.info("Click a cell of a map, or choose one here.", icon=":material/ads_click:")
        return
    number, site, layer, group = chosen
    task = tasks[number]
    rows = by_position(task.measured.found, site)  # type: ignore[arg-type]
    rows = rows[(rows["layer"] == layer) & (rows["group"] == group)]
    table = task.measured.table
    mean = table[(table["site"] == site) & (table["layer"] == layer) & (table["group"] == group)].iloc[0]
    low, high = effect_text(rows["effect"].min()), effect_text(rows["effect"].max())
    st.markdown(
        f"{SITE_NAMES[site]} of layer {layer} at {code(group)}: IE is {effect_text(mean[average])} ({average}), "
        f"between {low} and {high}; the prediction becomes the alternative's result in {percent(mean['wanted'])} and "
        f"another token in {percent(mean['unwanted'])} of {mean['values']} patched runs."
    )
    metric = metric_of(task.measured.found)
    shown = _readable(lm, rows)
    if not metric.is_indirect_effect:
        st.markdown(f"The {metric.effect} is {metric.in_words(mean['change'])} (mean).")
        shown.insert(list(shown.columns).index("IE") + 1, metric.effect, rows["change"].to_numpy())
    probability = [c for c in shown.columns if c.startswith("P(")]
    st.dataframe(
        shown,
        hide_index=True,
        key="flow cell table",
        column_config={c: st.column_config.NumberColumn(c, format="%.3g") for c in [*probability, "IE", metric.effect]},
    )
    st.caption(
        "P(r) is the probability of the base's result and P(r′) that of the alternative's. Patched: the base run with "
        "this one output copied from the alternative run."
    )
    st.download_button(
        "These pairs as CSV",
        rows.to_csv(index=False),
        "mediation-pairs.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )


def _chosen(lm: LoadedModel, tasks: list[Task]) -> tuple[int, str, int, str] | None:
    """The picked cell as select boxes, for the keyboard; choices that do not exist here are left out."""
    parts = picked_cell().split("|", 3)
    names = [task.name for task in tasks]
    valid = len(parts) == 4 and parts[0].isdigit() and int(parts[0]) < len(tasks) and parts[1] in SITE_NAMES
    valid = valid and parts[2].isdigit() and int(parts[2]) < lm.n_layers
    number = int(parts[0]) if valid else 0
    groups = ordered(list(dict.fromkeys(tasks[number].measured.table["group"])))
    values: dict[str, Any] = {"task": names[number], "site": None, "layer": None, "group": None}
    if valid:  # another kind of pair may not have this position
        group = parts[3] if parts[3] in groups else LAST if LAST in groups else groups[-1]
        values |= {"site": parts[1], "layer": int(parts[2]), "group": group}
    for name, value in values.items():  # what was clicked is what the boxes show
        st.session_state[f"flow {name}"] = value
    boxes = st.columns(4 if len(tasks) > 1 else 3)

    def box(label: str, options: Sequence[Any], key: str) -> None:
        boxes.pop(0).selectbox(
            label,
            options,
            index=None,
            key=key,
            placeholder="choose",
            on_change=_typed,
            args=(names, groups),
            format_func=lambda value: SITE_NAMES.get(value, str(value)),
        )

    if len(tasks) > 1:
        box("Pairs", names, "flow task")
    box("Module", list(SITE_NAMES), "flow site")
    box("Layer", range(lm.n_layers), "flow layer")
    box("Position", groups, "flow group")
    return (number, values["site"], values["layer"], values["group"]) if valid else None


def _typed(names: list[str], groups: list[str]) -> None:
    """Picks the cell that the boxes name; boxes without a choice begin at the first FFN."""
    state = st.session_state
    site, layer, group = (
        state.get("flow site") or "ffn",
        state.get("flow layer") or 0,
        state.get("flow group") or groups[0],
    )
    task = state.get("flow task")
    pick(f"{names.index(task) if task in names else 0}|{site}|{layer}|{group}")


def _readable(lm: LoadedModel, rows: pd.DataFrame) -> pd.DataFrame:
    def token(column: str) -> list[str]:
        return [visible(lm.token(int(i))) for i in rows[column]]

    out = pd.DataFrame(
        {
            "base": rows["base"].to_numpy(),
            "alternative": rows["alternative"].to_numpy(),
            "position": [
                f"{p} {visible(a)}→{visible(b)}"
                for p, a, b in zip(rows["position"], rows["token"], rows["alternative_token"], strict=True)
            ],
            "IE": rows["effect"].to_numpy(),
            "r": token("base_result"),
            "P(r) base": rows["base_in_base"].to_numpy(),
            "P(r) alternative": rows["base_in_alternative"].to_numpy(),
            "P(r) patched": rows["base_patched"].to_numpy(),
            "r′": token("alternative_result"),
            "P(r′) base": rows["alternative_in_base"].to_numpy(),
            "P(r′) alternative": rows["alternative_in_alternative"].to_numpy(),
            "P(r′) patched": rows["alternative_patched"].to_numpy(),
            "patched prediction": token("prediction"),
        }
    )
    return out if rows["pair"].duplicated().any() else out.drop(columns="position")
