"""The picked cell of the maps: by a click, by the keyboard, or by the link."""

import streamlit as st

from pages.shared.charts import PICK


def picked_cell() -> str:
    """The name of the picked cell, task|site|layer|group; empty when there is none."""
    return str(st.session_state.get("flow cell", st.query_params.get("cell", "")))


def pick(name: str) -> None:
    """Picks a cell; it stays for the session and in the link."""
    st.session_state["flow cell"] = name
    st.query_params["cell"] = name


def toggle(key: str) -> None:
    """Picks the cell that was clicked in a map; works from what changed since the last click."""
    now = {row["name"] for row in st.session_state[key]["selection"].get(PICK, []) if "name" in row}
    before = st.session_state.get(f"{key} clicks", set())
    st.session_state[f"{key} clicks"] = now
    for name in now ^ before:
        pick(name)
