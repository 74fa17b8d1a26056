"""The slot of an analysis that also runs without a browser: offers its plan, and shows results of a folder."""

from collections.abc import Callable, Hashable
from typing import Any, Literal, TypeVar, cast

from core.model.load import LoadedModel
from core.progress import Progress
from pages.shared.job_slot import Found, job_slot
from pages.shared.present import told
from pages.shared.runs import opened
from pages.shared.runs.without_browser import without_browser

T = TypeVar("T")
K = TypeVar("K", bound=Hashable)


def study_slot(
    lm: LoadedModel,
    name: str,
    settings: K,
    title: str | Callable[[], str],
    work: Callable[[Progress], T],
    hint: str,
    *,
    kinds: tuple[type, ...],
    start: bool | Literal["auto"],
    plan: bool,
    pressed: bool = False,
    main: bool = False,
    **others: Any,
) -> Found[T, K] | None:
    """A `job_slot` that shows the plan of its settings and, on the page's main slot, has the field *Open results*.

    Args:
        lm: the model.
        name: the slot.
        settings: of the analysis, of a class whose fields stand in `core`.
        title: as of `job_slot`, like the arguments that are not named here.
        work: likewise.
        hint: likewise.
        kinds: classes of settings that the slot can show results of.
        start: as of `job_slot`. Work that is started takes the place of opened results.
        plan: whether `plan_button` was pressed, which shows the plan of the settings.
        pressed: as of `job_slot`.
        main: whether this is the page's own question; its slot has the field for the folder.
        others: other arguments of `job_slot`.
    """
    if plan:
        without_browser(lm, settings)
    if main:
        opened.results_field()
    if start is True or pressed:
        opened.close(name)
    stored = None
    with told():
        stored = opened.chosen(lm, name, kinds, main)
    if stored is None:
        return job_slot(lm, name, settings, title, work, hint, start=start, pressed=pressed, main=main, **others)
    found = job_slot(
        lm,
        f"opened {name}",
        opened.key_of(stored),
        f"Opening {stored.name}",
        lambda progress: opened.load(lm, stored, progress),
        "",
        start="auto",
        kind="opened results",
        again="Open it again",
    )
    if found is None:
        return None
    opened.say_where_from(stored, found.result.finished)
    return Found(cast(T, found.result.shown), cast(K, opened.page_settings(stored, kinds)), found.job)
