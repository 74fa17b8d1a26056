"""A notice that another person changed the model, until it was read; and what stays a session's own through that."""

from datetime import datetime
from zoneinfo import ZoneInfo

import streamlit as st

from core.model.load import LoadedModel
from pages.shared.resources import model_key, residence, session_id
from pages.shared.words import mono

SEEN, NOTICE = "model seen", "model notice"


def note_model(lm: LoadedModel, picked: str) -> None:
    """Remembers which model this session saw last; keeps its heads apart by model, and brings them back with it.

    Args:
        lm: the resident model.
        picked: the key of the picked heads in the session's state.
    """
    before, now = st.session_state.get(SEEN), model_key(lm)
    st.session_state[SEEN] = now
    if before is None or before == now:
        return
    heads = st.session_state.setdefault("heads by model", {})
    heads[before] = st.session_state.get(picked, [])
    st.session_state[picked] = heads.get(now, heads[before])  # those that the new model lacks fall away
    change = residence().last_change
    if change is not None and change.by != session_id():
        st.session_state[NOTICE] = (
            f"Someone else changed the model to {mono(lm.name)} at {_clock(change.at)}. New results are for "
            "this model. Your edits and prompts are kept; results of the previous model are shown again with it."
        )
    else:
        st.session_state.pop(NOTICE, None)


def model_notice() -> None:
    """Draws the notice above the page, until the person closes it."""
    if NOTICE in st.session_state:
        text, button = st.container(border=True).columns([8, 1], vertical_alignment="center")
        text.warning(st.session_state[NOTICE], icon=":material/deployed_code:")
        button.button("OK", key="model notice read", on_click=_read, width="stretch")


def _read() -> None:
    st.session_state.pop(NOTICE, None)


def _clock(at: float) -> str:
    """The time of day where the person is."""
    zone = st.context.timezone
    return datetime.fromtimestamp(at, ZoneInfo(zone) if zone else None).strftime("%H:%M")
