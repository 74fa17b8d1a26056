"""Maps by layer and position, and lines by layer at the last position."""

import pandas as pd
import streamlit as st

from core.mediation.groups import LAST
from pages.mediation.charts import HALF, SITE_NAMES, effect_map, last_lines, shown_values, top_of
from pages.mediation.metric import Shown
from pages.mediation.numbers import interval_text
from pages.mediation.picking import picked_cell, toggle
from pages.mediation.task import Task
from pages.shared.charts import PICK
from pages.shared.theme import is_dark

#: A map: the task's name, the site, and its cells.
Part = tuple[str, str, pd.DataFrame]


def parts_of(tasks: list[Task], shown: Shown) -> list[Part]:
    """The cells of each map: of every site in its order, for every task."""
    sites = [site for site in SITE_NAMES if site in tasks[0].measured.found.effects]
    return [(task.name, site, _frame(task, number, site, shown)) for site in sites for number, task in enumerate(tasks)]


def top(parts: list[Part], shown: Shown) -> float:
    """The end of the scale that all maps share."""
    return top_of([frame["shown"] for *_, frame in parts], shown.kind)


def _frame(task: Task, number: int, site: str, shown: Shown) -> pd.DataFrame:
    table = task.table
    mine = table[table["site"] == site].copy()
    mine["value"] = mine[shown.column].astype(float)
    mine["shown"] = shown_values(mine["value"], shown.kind)
    mine["name"] = [
        f"{number}|{site}|{layer}|{group}" for layer, group in zip(mine["layer"], mine["group"], strict=True)
    ]
    mine["selected"] = mine["name"] == picked_cell()
    columns = ["layer", "group", "value", "shown", "name", "selected", "values"]
    if shown.has_interval and mine["low"].notna().all():
        mine["interval"] = [interval_text(low, high) for low, high in zip(mine["low"], mine["high"], strict=True)]
        mine["low"], mine["high"] = (shown_values(mine[end], shown.kind) for end in ("low", "high"))
        columns += ["low", "high", "interval"]
    return mine[columns]


def maps(tasks: list[Task], parts: list[Part], shown: Shown) -> None:
    """The maps, two in a row; a click picks a cell."""
    end = top(parts, shown)
    for row in range(0, len(parts), 2):
        for place, (title, site, frame) in zip(st.columns(2), parts[row : row + 2], strict=False):
            key = f"flow map {title} {site}"
            chart = effect_map(frame, is_dark(), site, end, shown.kind, shown.what)
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


def lines(parts: list[Part], shown: Shown) -> pd.DataFrame:
    """Draws the sites with several layers by layer at the last position; returns what is drawn."""
    rows = []
    for task, site, frame in parts:
        if site == "embedding":
            continue
        group = LAST if (frame["group"] == LAST).any() else frame["group"].iloc[-1]
        rows.append(frame[frame["group"] == group].assign(task=task, site=SITE_NAMES[site]))
    if not rows:
        return pd.DataFrame()
    drawn = pd.concat(rows, ignore_index=True).drop(columns=["group", "name", "selected"])
    st.subheader("At the last position, by layer")
    st.altair_chart(
        last_lines(drawn, is_dark(), shown.kind, shown.what), alt=f"{shown.what} at the last position by layer"
    )
    if "interval" in drawn:
        st.caption("Bands: 95% bootstrap intervals over the pairs.")
    return drawn
