"""What a server holds for all its sessions: model, queue, and results of quick functions. No other file caches."""

import os
from collections.abc import Callable
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from uuid import uuid4

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.jobs.board import JobBoard
from core.model.load import LoadedModel, threads_for, use_threads
from core.model.resident import ResidentModel

P = ParamSpec("P")
T = TypeVar("T")


@st.cache_resource(show_spinner=False)
def residence() -> ResidentModel:
    """The one resident model; ABACUS_MODEL names another to start with than the bundled one."""
    return ResidentModel(os.environ.get("ABACUS_MODEL", "bundled"))


@st.cache_resource(show_spinner=False)
def board() -> JobBoard:
    """The one queue of heavy work; its thread computes with the resident model's number of threads."""
    home = residence()

    def before() -> None:
        lm = home.loaded
        if lm is not None:
            use_threads(threads_for(lm))

    return JobBoard(is_here=is_here, before=before)


def is_here(session: str) -> bool:
    """Whether a session's browser tab is connected; without a server, as in tests of pages, it always is.

    Streamlit keeps a closed tab's session for a while, so that the tab can come back, but no longer calls it active.
    """
    try:
        return runtime.get_instance().is_active_session(session)
    except RuntimeError:  # there is no server
        return True


def current_model() -> LoadedModel:
    """The resident model, with a message while it loads; this thread then computes as suits its size.

    Raises:
        UserError: when it cannot be loaded.
    """
    with st.spinner("Loading the model ..."):
        lm = residence().model()
    use_threads(threads_for(lm))
    return lm


def session_id() -> str:
    """A name for this browser session: Streamlit's own, by which it tells whether the tab is there."""
    context = get_script_run_ctx()
    if runtime.exists() and context is not None:
        return context.session_id
    return str(st.session_state.setdefault("session_id", uuid4().hex))


def model_key(lm: LoadedModel) -> tuple[str, str, str]:
    """What names a loaded model in the key of a result."""
    return (lm.fingerprint, lm.precision, str(lm.device))


def kept(lm: LoadedModel, function: Callable[Concatenate[LoadedModel, P], T], *args: P.args, **kwargs: P.kwargs) -> T:
    """The result of a quick, pure function of a model, computed when any session first asks for it.

    For what a page shows on every rerun and is too quick to wait in the queue: a few forward passes or projections.
    Longer work belongs into a `job_slot`. The result is shared: never change it. Never call it inside `intervene`,
    which is no argument.

    Args:
        lm: the model; part of the key.
        function: takes the model first.
        args: of the function, hashable; part of the key.
        kwargs: likewise.
    """
    name = f"{function.__module__}.{function.__qualname__}"
    named = tuple(sorted(kwargs.items()))
    return cast(T, _kept(model_key(lm), name, args, named, lambda: function(lm, *args, **kwargs)))


@st.cache_resource(show_spinner=False, max_entries=128)
def _kept(model: tuple[str, ...], name: str, args: tuple, kwargs: tuple, _compute: Callable[[], Any]) -> Any:
    return _compute()
