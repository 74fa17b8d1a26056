"""Slots: a place on a page for one heavy result, with its start, its wait, and a hint when it is out of date.

    found = job_slot(lm, "sweep", settings, "Ablating heads", work, "Press **Run**.", start=pressed)
    if found is not None:
        _show(found.result, found.key)  # the settings that it was computed with

A slot holds one job of the session. Asking anew in the same slot gives the former job up (`core.jobs.board`).
"""

from collections.abc import Callable, Hashable
from dataclasses import dataclass
from typing import Generic, Literal, TypeVar, cast
from uuid import uuid4

import streamlit as st

from core.jobs.job import Job
from core.model.load import LoadedModel
from core.progress import Progress
from pages.shared.present import told
from pages.shared.resources import board, model_key, session_id
from pages.shared.waiting import outcome, wait_for

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)
Result = TypeVar("Result", covariant=True)
Key = TypeVar("Key", covariant=True)
_LINK = "run"


@dataclass(frozen=True)
class Found(Generic[Result, Key]):
    """A result, or the part of it that was computed before Stop.

    `key` is what it was asked with: where `outdated="show"`, that may be other settings than those on the page now.
    """

    result: Result
    key: Key
    job: Job


@dataclass(frozen=True)
class Held:
    """What a slot holds: a job, what it was asked with, and the model it is of."""

    job: Job
    key: Hashable
    model: tuple[str, str, str]


def job_slot(
    lm: LoadedModel,
    name: str,
    key: K,
    title: str | Callable[[], str],
    work: Callable[[Progress], T],
    hint: str,
    *,
    start: bool | Literal["auto"],
    pressed: bool = False,
    main: bool = False,
    outdated: Literal["hide", "show"] = "hide",
    fresh: bool = False,
    kind: str | None = None,
    check: Callable[[], None] | None = None,
    seconds: float | None = None,
    again: str = "Compute again",
    while_running: Callable[[Job], None] | None = None,
) -> Found[T, K] | None:
    """Starts work when it is asked for, waits for it, and returns what there is to show.

    Args:
        lm: the model; a result of another one is never shown.
        name: the slot, one for each place on a page.
        key: every setting that the result depends on, beside the model; as a rule one `pages.shared.settings.Settings`.
        title: what is being done, for messages. A function is asked when the work starts.
        work: computes the result; calls its `Progress` often.
        hint: a sentence that says what to press, shown before the first result and beside an outdated one.
        start: whether the person asked for it in this run; "auto" starts by itself whenever key or model change, but
            work that was stopped or has failed only at a press of a button.
        pressed: where `start` is "auto", whether the person pressed a button that starts stopped or failed work again;
            without such a press a button of the slot's own is offered.
        main: whether this is the page's own question: hints stand in boxes, and a link with run=1 starts it.
        outdated: whether a result of former settings stays on the page below the hint.
        fresh: every press is work of its own (it writes or reads files) and its result stays whatever is set.
        kind: slots with the same kind share results; else the slot's name.
        check: raises UserError for settings that cannot be taken, before anything is asked; the former result stays.
        seconds: a guess of how long it takes; else as long as the last of its kind.
        again: label of the button that starts stopped or failed work again, where `start` is "auto".
        while_running: draws below the bar until the work has ended.
    """
    slot = _Slot(lm, name, key, hint, start, pressed, main)
    if slot.is_asked(again):
        with told():
            if check is not None:
                check()
            job_key = (kind or name, *model_key(lm), key, *([uuid4().hex] if fresh else []))
            job = board().submit(
                job_key,
                title if isinstance(title, str) else title(),
                work,
                session_id(),
                slot=slot.place,
                seconds=seconds,
                kind=kind or name,
            )
            slot.hold(job)
    held = slot.held
    if held is None:
        if start != "auto":
            slot.say(hint, ":material/play_arrow:")
        return None
    if not (slot.is_of_this_model(held) and slot.is_of_these_settings(held, fresh, outdated == "show")):
        return None
    wait_for(held.job)
    if while_running is not None and not held.job.ended:
        while_running(held.job)
    result = outcome(held.job)
    return None if result is None else Found(cast(T, result), cast(K, held.key), held.job)


def is_held(lm: LoadedModel, name: str) -> bool:
    """Whether a slot holds work on this model, as far as it was drawn before."""
    held: Held | None = st.session_state.get(_place(name))
    return held is not None and held.model == model_key(lm)


def _place(name: str) -> str:
    """A slot's name in the session's state."""
    return f"slot {name}"


@dataclass(frozen=True)
class _Slot:
    """A slot as a page asks for it in one run."""

    lm: LoadedModel
    name: str
    key: Hashable
    hint: str
    start: bool | Literal["auto"]
    pressed: bool
    main: bool

    @property
    def place(self) -> str:
        """Its name in the session's state."""
        return _place(self.name)

    @property
    def held(self) -> Held | None:
        """What it holds."""
        held: Held | None = st.session_state.get(self.place)
        return held

    def hold(self, job: Job) -> None:
        """Puts a job into it."""
        st.session_state[self.place] = Held(job, self.key, model_key(self.lm))
        if self.main:
            st.query_params[_LINK] = "1"

    def is_asked(self, again: str) -> bool:
        """Whether work starts in this run."""
        held = self.held
        if self.start != "auto":
            return self.start or (self.main and held is None and st.query_params.get(_LINK) == "1")
        if held is None or (held.key, held.model) != (self.key, model_key(self.lm)):
            return True
        if held.job.state not in ("stopped", "failed"):
            return False
        return self.pressed or st.button(again, icon=":material/refresh:", key=f"again {self.place}")

    def is_of_this_model(self, held: Held) -> bool:
        """Whether what it holds is of the resident model; says so when not."""
        if held.model == model_key(self.lm):
            return True
        if self.start != "auto":
            self.say(f"The model was changed. {self.hint}", ":material/deployed_code:")
        return False

    def is_of_these_settings(self, held: Held, fresh: bool, show: bool) -> bool:
        """Whether what it holds may be shown beside the page's settings; says so when they differ."""
        if fresh or held.key == self.key:
            return True
        if self.start == "auto":  # the new settings were refused: the error is on the page
            return False
        st.caption(f":material/info: The settings have changed since. {self.hint}")
        return show

    def say(self, text: str, icon: str) -> None:
        """A hint in the size that suits the slot."""
        if self.main:
            st.info(text, icon=icon)
        else:
            st.caption(text)
