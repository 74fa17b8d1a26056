"""What a server holds for all its sessions: model, queue, and results of quick functions. No other file caches."""

import os
from collections.abc import Callable
from pathlib import Path
from typing import Any, Concatenate, ParamSpec, TypeVar, cast
from uuid import uuid4

import streamlit as st
from streamlit import runtime
from streamlit.runtime.scriptrunner import get_script_run_ctx

from core.jobs.board import JobBoard
from core.model.adapter_files import CONFIG, WEIGHTS, AdapterFolder
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


@st.cache_resource(show_spinner="Running the model ...", max_entries=128)
def _kept(model: tuple[str, ...], name: str, args: tuple, kwargs: tuple, _compute: Callable[[], Any]) -> Any:
    return _compute()


def adapter_digest(folder: Path) -> str:
    """What names an adapter in the key of a result: a hash of its files, computed again only when they change.

    Raises:
        UserError: for a folder that is not an adapter.
    """
    return _adapter_digest(str(folder), _stamps(folder))


def check_adapter_fits(lm: LoadedModel, folder: Path) -> None:
    """Raises `UserError` for an adapter that was made for another model; asked again only when its files change."""
    _adapter_fits(lm, model_key(lm), str(folder), _stamps(folder))


def _stamps(folder: Path) -> tuple[tuple[int, int], ...]:
    """Times and sizes of an adapter's files: what changes when they are written anew."""
    found = [file.stat() for file in (folder / CONFIG, folder / WEIGHTS) if file.is_file()]
    return tuple((stat.st_mtime_ns, stat.st_size) for stat in found)


@st.cache_data(show_spinner=False, max_entries=500)
def _adapter_digest(folder: str, stamps: tuple[tuple[int, int], ...]) -> str:
    return AdapterFolder.read(folder).digest()


@st.cache_data(show_spinner=False, max_entries=100)
def _adapter_fits(
    _lm: LoadedModel, model: tuple[str, str, str], folder: str, stamps: tuple[tuple[int, int], ...]
) -> None:
    AdapterFolder.read(folder).check_made_for(_lm)
