"""Results that were measured without a browser, opened from their folder on the server's computer.

The link keeps the folder: `results=/home/me/results`. It may also be the folder of one analysis.
"""

from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any

import streamlit as st

from core.errors import UserError
from core.model.load import LoadedModel
from core.plans.analyses import ANALYSES
from core.plans.folder import Finished, Stored, stored_in
from core.plans.plan import Plan
from core.progress import Progress
from pages.shared.permissions import check_allowed, locked
from pages.shared.words import about, listed, mono

FIELD = "results"
_CLOSED = "results closed"


@dataclass(frozen=True)
class Opened:
    """What a page shows of stored results, and when they were measured."""

    shown: Any
    finished: Finished


def results_field() -> None:
    """The field for the folder."""
    with st.popover("Open results", icon=":material/folder_open:"):
        st.text_input(
            "Folder of results on the computer that runs Abacus",
            key=FIELD,
            bind="query-params",
            placeholder="results/",
            disabled=locked(),
            help="What `python -m core run` wrote. Empty: the page shows what it measures itself.",
        )


def close(name: str) -> None:
    """A slot shows its own work again, until another folder is named."""
    st.session_state.setdefault(_CLOSED, {})[name] = _typed()


def chosen(lm: LoadedModel, name: str, kinds: tuple[type, ...], main: bool) -> Stored | None:
    """The results that a slot shows in place of its own work; None: there are none.

    Args:
        lm: the model.
        name: the slot.
        kinds: classes of the page's settings; results of other analyses are left out.
        main: whether to say so when the folder has none for this slot.

    Raises:
        UserError: for a folder that cannot be opened, or results of another model.
    """
    typed = _typed()
    if not typed or st.session_state.get(_CLOSED, {}).get(name) == typed:
        return None
    check_allowed()
    there = stored_in(typed)
    fitting = {each.name: each for each in there if _kind(each, kinds) is not None}
    if not fitting:
        if main:
            names = listed([mono(each.name) for each in there])
            raise UserError(f"These results have nothing for this page: they are {names}. Open them on another page.")
        return None
    picked = next(iter(fitting))
    if len(fitting) > 1:
        picked = st.selectbox("Results", list(fitting), key=f"results of {name}")
    found = fitting[picked]
    if (other := found.folder.origin.other_model(lm)) is not None:
        raise UserError(f"{found.folder.path} holds results {other}. Load that model, or empty the field Open results.")
    return found


def key_of(stored: Stored) -> tuple[str, int]:
    """Names stored results; another name when they are written anew."""
    file = stored.folder.entry(stored.number)
    return str(file), file.stat().st_mtime_ns


def page_settings(stored: Stored, kinds: tuple[type, ...]) -> Any:
    """The settings of stored results as the page's own class."""
    kind = _kind(stored, kinds)
    assert kind is not None
    settings = stored.task.settings
    return kind(**{each.name: getattr(settings, each.name) for each in fields(settings)})  # type: ignore[arg-type]


def load(lm: LoadedModel, stored: Stored, progress: Progress) -> Opened:
    """Reads stored results, and makes of them what the page shows."""
    finished = stored.folder.finished(stored.number)
    task = stored.task
    return Opened(task.analysis.shown(lm, task.settings, finished.kept, progress), finished)


def say_where_from(stored: Stored, finished: Finished) -> None:
    """A line with where and when results were measured, and their settings."""
    origin = stored.folder.origin
    day, _, clock = finished.at.partition("T")
    versions = ", ".join(f"{name} {version}" for name, version in origin.versions.items())
    with st.container(horizontal=True, vertical_alignment="center"):
        st.caption(
            f":material/folder_open: Opened from {mono(str(Path(stored.folder.path.name) / stored.name))}: measured "
            f"on {day} at {clock[:5]} UTC in {about(finished.seconds)}, on {mono(origin.machine)} "
            f"({mono(origin.device)}, {origin.precision}; {versions}). The page's controls do not apply to it."
        )
        with st.popover("Its settings"):
            st.code(Plan((stored.task,)).to_toml(), language="toml", wrap_lines=True)


def _typed() -> str:
    return str(st.session_state.get(FIELD) or "").strip()


def _kind(stored: Stored, kinds: tuple[type, ...]) -> type | None:
    """Which of the page's settings these results have."""
    settings = ANALYSES[stored.task.what].settings
    return next((kind for kind in kinds if issubclass(kind, settings)), None)
