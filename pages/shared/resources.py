"""What does a server hold for all its sessions? The only file that caches resources."""

import os
from uuid import uuid4

import streamlit as st

from core.jobs import JobBoard
from core.model import LoadedModel
from core.residence import Residence


@st.cache_resource(show_spinner=False)
def residence() -> Residence:
    """The one resident model; ABACUS_MODEL names another to start with than the bundled one."""
    return Residence(os.environ.get("ABACUS_MODEL", "bundled"))


@st.cache_resource(show_spinner=False)
def board() -> JobBoard:
    """The one queue of heavy work."""
    return JobBoard()


def current_model() -> LoadedModel:
    """The resident model, with a message while it loads.

    Raises:
        UserError: when it cannot be loaded.
    """
    with st.spinner("Loading the model ..."):
        return residence().model()


def session_id() -> str:
    """A name for this browser session."""
    return str(st.session_state.setdefault("session_id", uuid4().hex))


def model_key(lm: LoadedModel) -> tuple[str, str, str]:
    """What names a loaded model in the key of a result."""
    return (lm.fingerprint, lm.precision, str(lm.device))
