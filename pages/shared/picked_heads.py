"""The heads that a person has picked, in the sidebar or on a heatmap, for every page."""

import streamlit as st

from pages.shared.words import head_of

HEADS = "heads"


def picked_heads() -> list[tuple[int, int]]:
    """The picked heads as (layer, head)."""
    return [head_of(name) for name in st.session_state.get(HEADS, [])]
