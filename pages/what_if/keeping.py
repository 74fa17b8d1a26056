"""Saving and sharing of edits: as a recipe, a link, code, or a model folder."""

import streamlit as st

from core.edits.recipe_link import to_link
from core.edits.snippets import core_snippet, plain_snippet
from core.edits.study import CheckedExport, export_and_check
from core.errors import UserError
from core.hooks import Edit
from core.model.load import LoadedModel
from pages.shared import bench
from pages.shared.job_slot import job_slot
from pages.shared.permissions import check_allowed, locked
from pages.shared.present import told
from pages.shared.words import mono, plain, three_digits

MOST_IN_CODE = 1000


def keeping(lm: LoadedModel, prompts: tuple[str, ...]) -> None:
    """Recipe, link, snippets and export of the edits that are on."""
    st.header("Keep and share")
    edits = bench.edit_set().active
    if not edits:
        st.caption("Switch at least one edit on to save, share or export it.")
        return
    off = len(bench.edit_set()) - len(edits)
    if off:
        st.caption(f"Not included: {off} edit{'s' * (off > 1)} that {'are' if off > 1 else 'is'} switched off.")
    first, second = st.columns([2, 3])
    first.text_input("Title", key=bench.TITLE, max_chars=200, persist_state="session")
    second.text_input("Note", key=bench.NOTE, max_chars=10_000, persist_state="session")
    with told():
        _recipe(lm)
    with st.expander("Python"), told():
        if len(edits) > MOST_IN_CODE:
            raise UserError(f"Code is written for sets of at most {MOST_IN_CODE:,} edits. Save the recipe instead.")
        prompt = prompts[0] if prompts else "3+5="
        st.markdown("With transformers alone:")
        st.code(plain_snippet(lm, bench.current_recipe(lm), prompt), language="python", height=300)
        st.markdown("With Abacus's `core`:")
        st.code(core_snippet(lm, bench.current_recipe(lm), prompt), language="python")
    with st.expander("Export as a model folder"), told():
        _export(lm, edits, prompts)


def _recipe(lm: LoadedModel) -> None:
    recipe = bench.current_recipe(lm)
    with st.container(horizontal=True, vertical_alignment="center"):
        st.download_button(
            "Recipe as JSON",
            recipe.to_json(),
            "recipe.json",
            "application/json",
            on_click="ignore",
            icon=":material/download:",
            key="download recipe",
        )
        try:
            link = to_link(recipe)
        except UserError as error:
            st.caption(plain(str(error)))
            return
        st.caption(":material/link: The address of this page repeats these edits and prompts.")
    base = (st.context.url or "").split("?")[0]
    st.code(f"{base}?{bench.LINK}={link}", language=None, wrap_lines=True)


def _export(lm: LoadedModel, edits: tuple[Edit, ...], prompts: tuple[str, ...]) -> None:
    st.markdown(
        "Writes a transformers folder with the edits in its weights, a model card and the recipe, then loads "
        "it and compares its answers with the live edit."
    )
    off = locked()
    with st.form("export", border=False):
        first, second = st.columns([5, 2], vertical_alignment="bottom")
        folder = first.text_input(
            "Folder on the computer that runs Abacus",
            key="export folder",
            placeholder="exports/less-biased",
            disabled=off,
        )
        pressed = second.form_submit_button("Export", type="primary", width="stretch", disabled=off)
    recipe = bench.current_recipe(lm)
    found = job_slot(
        lm,
        "export",
        (edits, folder),
        "Writing the edited model",
        lambda _: export_and_check(lm, edits, folder, recipe.title, recipe.note, prompts or ("3+5=",)),
        "Name a new folder and press **Export**.",
        start=pressed,
        fresh=True,
        check=check_allowed,
    )
    if found is not None:
        _exported(found.result)


def _exported(found: CheckedExport) -> None:
    folder, check = mono(str(found.folder)), found.check
    if check is None:
        st.warning(f"Written to {folder}, but not compared: {plain(found.reason)}", icon=":material/warning:")
        return
    same = f"{check.same_top} of {check.prompts} prompts have the same most likely next token"
    st.success(
        f"Written to {folder}. Loaded back as {check.precision}: {same} as with the live edit; log-probabilities "
        f"differ by at most {three_digits(check.largest)} nats.",
        icon=":material/check_circle:",
    )
