"""The edits of this session on the page What-if (the bench): kept in the session, with undo, and in the link."""

import streamlit as st

from core.edits.edit_set import EditSet, History, check_edits, place_of
from core.edits.recipe import OtherModelError, Recipe, edits_for
from core.edits.recipe_link import from_link, to_link
from core.errors import UserError
from core.hooks import Edit
from core.model.load import LoadedModel
from pages.shared.resources import model_key
from pages.shared.words import plain

HISTORY, OWNER, VERSION = "edit history", "edit model", "edit version"
TO_ADD = "edits to add"  # other pages leave edits here
WAITING = "recipe of another model"
LINK = "edit"
TITLE, NOTE = "edit title", "edit note"
TOLD = "told about the bench"


def history() -> History:
    """Every state of the bench."""
    return st.session_state.get(HISTORY, History())


def edit_set() -> EditSet:
    """What is on the bench now."""
    return history().now


def version() -> int:
    """Changes with every state; rows of widgets are named by it, so that undo shows in them."""
    return int(st.session_state.get(VERSION, 0))


def go(to: History) -> None:
    """Shows another state."""
    st.session_state[HISTORY] = to
    st.session_state[VERSION] = version() + 1


def put(state: EditSet) -> None:
    """Puts a new set on the bench; it can be undone."""
    if state != edit_set():
        go(history().then(state))


def add(lm: LoadedModel, edits: list[Edit]) -> None:
    """Adds edits.

    Raises:
        UserError: for edits that the model cannot take.
    """
    check_edits(lm, edits)
    put(edit_set().added(edits))


def use_recipe(lm: LoadedModel, recipe: Recipe, override: bool = False) -> None:
    """Replaces the set by a recipe's.

    Raises:
        UserError: for a recipe of another model.
    """
    edits = edits_for(lm, recipe, override)
    put(EditSet().added(list(edits)))
    st.session_state[TITLE], st.session_state[NOTE] = recipe.title, recipe.note


def tell(text: str) -> None:
    """Shows a message until the bench changes: a page is drawn many times while a job runs."""
    st.session_state.setdefault(TOLD, []).append((version(), text))


def _show_told() -> None:
    st.session_state[TOLD] = [one for one in st.session_state.get(TOLD, []) if one[0] == version()]
    for _, text in st.session_state[TOLD]:
        st.error(plain(text), icon=":material/error:")


def open_bench(lm: LoadedModel) -> None:
    """Takes over what a link or other pages brought; every model has its own edits."""
    former = st.session_state.get(OWNER, model_key(lm))
    if former != model_key(lm):
        kept = st.session_state.setdefault("benches", {})
        kept[former], had = history(), len(edit_set())
        go(kept.get(model_key(lm), History()))
        if had:
            tell("The model was changed. The edits of the other model are kept and come back with it.")
        st.session_state.pop(WAITING, None)
    is_new = OWNER not in st.session_state
    st.session_state[OWNER] = model_key(lm)
    if is_new and LINK in st.query_params:
        _take_link(lm, st.query_params[LINK])
    _take_over(lm)
    _show_told()
    _ask_about_another_model(lm)


def _take_link(lm: LoadedModel, text: str) -> None:
    try:
        recipe = from_link(text)
        try:
            use_recipe(lm, recipe)
        except OtherModelError as error:
            st.session_state[WAITING] = (recipe, str(error), error.fits)
    except UserError as error:
        tell(str(error))


def _take_over(lm: LoadedModel) -> None:
    waiting: list[Edit] = list(st.session_state.pop(TO_ADD, []))
    there = {place_of(s.edit) for s in edit_set().switches}
    usable, wrong = [], []
    for edit in waiting:
        try:
            check_edits(lm, [edit])
            usable.append(edit)
        except UserError as error:
            wrong.append(str(error))
    new = [edit for edit in usable if place_of(edit) not in there]
    if new:
        put(edit_set().added(new))
        st.toast(f"{len(new)} edit{'s' if len(new) > 1 else ''} added.", icon=":material/tune:")
    for text in wrong:
        tell(text)


def _ask_about_another_model(lm: LoadedModel) -> None:
    """Asks what to do with a recipe that was made with another model."""
    if WAITING not in st.session_state:
        return
    recipe, reason, fits = st.session_state[WAITING]
    st.warning(plain(reason), icon=":material/warning:")
    with st.container(horizontal=True):
        if fits:
            st.button("Use it anyway", key="use other recipe", on_click=_override, args=(lm, recipe))
        st.button("Do not use it", key="leave other recipe", on_click=lambda: st.session_state.pop(WAITING, None))


def _override(lm: LoadedModel, recipe: Recipe) -> None:
    st.session_state.pop(WAITING, None)
    use_recipe(lm, recipe, override=True)


def current_recipe(lm: LoadedModel) -> Recipe:
    """The edits that are on, written down.

    Raises:
        UserError: for too long a title or note.
    """
    title, note = (str(st.session_state.get(key, "")) for key in (TITLE, NOTE))
    return Recipe.of(lm, edit_set().active, title, note)


def keep_in_link(lm: LoadedModel) -> None:
    """Writes the edits that are on into the address, where they fit."""
    link = None
    if edit_set().active:
        try:
            link = to_link(current_recipe(lm))
        except UserError:
            link = None
    if link is None:
        if WAITING not in st.session_state:
            st.query_params.pop(LINK, None)
    elif st.query_params.get(LINK) != link:
        st.query_params[LINK] = link
