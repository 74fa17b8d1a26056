"""Ways to keep and share an edit: a recipe, a link, code, a model folder."""

import streamlit as st

from core.edits.export import EditedExportCheck, check_edited_export, export_edited
from core.edits.recipe_link import to_link
from core.edits.snippets import core_snippet, plain_snippet
from core.errors import UserError
from core.hooks import Edit
from core.model.load import LoadedModel
from core.progress import Progress
from pages.shared import bench
from pages.shared.permissions import check_allowed, locked
from pages.shared.present import told
from pages.shared.resources import board, model_key, session_id
from pages.shared.waiting import outcome, wait_for
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
        st.caption(f"Not included: {off} edit{'s' if off > 1 else ''} switched off.")
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
    if pressed:
        check_allowed()
        recipe = bench.current_recipe(lm)

        def work(progress: Progress) -> tuple[str, EditedExportCheck | str]:
            written = export_edited(lm, edits, folder, recipe.title, recipe.note)
            try:
                return str(written), check_edited_export(lm, edits, written, prompts or ("3+5=",))
            except UserError as error:
                return str(written), str(error)

        key = ("export", *model_key(lm), edits, folder, len(st.session_state.get("exports", [])))
        st.session_state.setdefault("exports", []).append(folder)  # every press is a new export
        st.session_state["export job"] = board().submit(key, "Writing the edited model", work, session_id())
    job = st.session_state.get("export job")
    if job is None:
        return
    wait_for(job)
    found = outcome(job)
    if isinstance(found, tuple):
        _exported(*found)


def _exported(folder: str, check: EditedExportCheck | str) -> None:
    if isinstance(check, str):
        st.warning(f"Written to {mono(folder)}, but not compared: {plain(check)}", icon=":material/warning:")
        return
    same = f"{check.same_top} of {check.prompts} prompts have the same most likely next token"
    st.success(
        f"Written to {mono(folder)}. Loaded back as {check.precision}: {same} as the live edit; log-probabilities "
        f"differ by at most {three_digits(check.largest)} nats.",
        icon=":material/check_circle:",
    )
