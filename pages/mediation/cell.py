"""One cell of the maps, pair by pair."""

from collections.abc import Sequence
from typing import Any

import pandas as pd
import streamlit as st

from core.mediation.groups import LAST
from core.mediation.probability_changes import PROBABILITY_CHANGES
from core.mediation.summary import by_position, ordered
from core.model.load import LoadedModel
from pages.mediation.charts import SITE_NAMES
from pages.mediation.metric import Shown
from pages.mediation.numbers import effect_text, interval_text
from pages.mediation.picking import pick, picked_cell
from pages.mediation.task import Task
from pages.shared.words import code, percent, visible


def cell(lm: LoadedModel, tasks: list[Task], shown: Shown) -> None:
    """Probabilities of both results in the base, alternative and patched runs of each pair."""
    st.subheader("One cell, pair by pair")
    chosen = _chosen(lm, tasks)
    if chosen is None:
        st.info("Click a cell of a map, or choose one here.", icon=":material/ads_click:")
        return
    number, site, layer, group = chosen
    task = tasks[number]
    rows = by_position(task.measured.found, site, task.grouping)  # type: ignore[arg-type]
    rows = rows[(rows["layer"] == layer) & (rows["group"] == group)]
    table = task.table
    mean = table[(table["site"] == site) & (table["layer"] == layer) & (table["group"] == group)].iloc[0]
    average, metric = shown.average, shown.metric
    low, high = effect_text(rows["effect"].min()), effect_text(rows["effect"].max())
    interval = ""
    if average == "geometric mean" and mean["low"] == mean["low"]:
        interval = f", 95% interval {interval_text(mean['low'], mean['high'])}"
    where = SITE_NAMES[site] if site == "embedding" else f"{SITE_NAMES[site]} of layer {layer}"
    st.markdown(
        f"{where} at {code(group)}: IE is {effect_text(mean[average])} ({average}{interval}), between {low} and "
        f"{high}; the prediction becomes the alternative's result in {percent(mean['wanted'])} and another token in "
        f"{percent(mean['unwanted'])} of {mean['values']} patched runs."
    )
    pairs = _readable(lm, rows)
    other = [(metric.effect, "change")] if not metric.is_indirect_effect else []
    other += [(shown.choice, shown.choice)] if shown.choice in PROBABILITY_CHANGES else []
    for name, column in other:
        value = shown.in_words(mean[column]) if column != "change" else metric.in_words(mean[column])
        st.markdown(f"The {name} is {value} (mean).")
        pairs.insert(list(pairs.columns).index("IE") + 1, name, rows[column].to_numpy())
    numbers = [c for c in pairs.columns if c.startswith("P(")] + ["IE", *(name for name, _ in other)]
    st.dataframe(
        pairs,
        hide_index=True,
        key="flow cell table",
        column_config={c: st.column_config.NumberColumn(c, format="%.3g") for c in numbers},
    )
    st.caption(
        "P(r) is the probability of the base's result and P(r′) that of the alternative's. Patched: the base run with "
        "this one value copied from the alternative run."
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
    effects = tasks[0].measured.found.effects
    sites = [site for site in SITE_NAMES if site in effects]
    valid = len(parts) == 4 and parts[0].isdigit() and int(parts[0]) < len(tasks) and parts[1] in sites
    valid = valid and parts[2].isdigit() and int(parts[2]) < len(effects[parts[1]][0].effect)  # type: ignore[index]
    number = int(parts[0]) if valid else 0
    groups = ordered(list(dict.fromkeys(tasks[number].table["group"])))
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
            args=(names, sites, groups),
            format_func=lambda value: SITE_NAMES.get(value, str(value)),
        )

    if len(tasks) > 1:
        box("Pairs", names, "flow task")
    box("Copied value", sites, "flow site")
    box("Layer", range(lm.n_layers), "flow layer")
    box("Position", groups, "flow group")
    return (number, values["site"], values["layer"], values["group"]) if valid else None


def _typed(names: list[str], sites: list[str], groups: list[str]) -> None:
    """Picks the cell that the boxes name; boxes without a choice begin at the first site and layer 0."""
    state = st.session_state
    site, layer, group = (
        state.get("flow site") or sites[0],
        state.get("flow layer") or 0,
        state.get("flow group") or groups[0],
    )
    layer = 0 if site == "embedding" else layer
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
