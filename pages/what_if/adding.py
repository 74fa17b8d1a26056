"""Ways to add edits to the bench: by hand, from picked heads, from a word, from a file."""

import streamlit as st

from core.edits.edit_set import EditKind, make_edit, parse_edits
from core.edits.recipe import OtherModelError, read_recipe
from core.errors import UserError
from core.hooks import Edit
from core.model.load import LoadedModel
from core.vocabulary.promoters import Promoters, promoters
from pages.shared import bench
from pages.shared.inputs import picked_heads
from pages.shared.job_slot import job_slot
from pages.shared.neuron_words import readings_found, remember
from pages.shared.present import told
from pages.shared.words import code, head_name, listed, mono, plain, three_digits

BY_HAND, HEADS, WORD, FILE = "By hand", "Picked heads", "Neurons of a word", "Recipe file"
LEAST, MOST = -3.0, 3.0
SHOWN = 20


def adding(lm: LoadedModel) -> None:
    """Controls that add edits."""
    way = st.segmented_control("Add edits", [BY_HAND, HEADS, WORD, FILE], default=BY_HAND, key="add by", required=True)
    with told():
        if way == BY_HAND:
            _by_hand(lm)
        elif way == HEADS:
            _heads(lm)
        elif way == WORD:
            _word(lm)
        else:
            _file(lm)


def _by_hand(lm: LoadedModel) -> None:
    with st.form("by hand", border=False):
        first, second, third, fourth = st.columns([5, 3, 2, 2], vertical_alignment="bottom")
        text = first.text_input(
            "layer_index",
            key="add names",
            placeholder="28_3696 or several: 7_232, 7_209",
            help="Layer and index, both from 0. Heads and neurons can also be sent here from other pages.",
        )
        kind: EditKind = second.segmented_control(
            "What", ["neuron", "head"], default="neuron", key="add kind", required=True
        )  # type: ignore[assignment]
        factor = third.number_input(
            "Factor",
            LEAST,
            MOST,
            0.0,
            0.5,
            key="add factor",
            help="0 ablates it, 1 changes nothing, -1 flips its sign.",
        )
        pressed = fourth.form_submit_button("Add", type="primary", width="stretch")
    if pressed:
        _add_and_rerun(lm, parse_edits(text, kind, float(factor)))


def _heads(lm: LoadedModel) -> None:
    heads = picked_heads()
    if not heads:
        st.info(
            "No heads are picked: click them on the heatmap of *Arithmetic heads*, or choose them in the sidebar.",
            icon=":material/ads_click:",
        )
        return
    first, second, third = st.columns([6, 2, 2], vertical_alignment="bottom")
    first.markdown("Picked: " + listed([head_name(*head) for head in heads]))
    factor = second.number_input("Factor", LEAST, MOST, 0.0, 0.5, key="heads factor")
    if third.button("Add these heads", type="primary", width="stretch"):
        _add_and_rerun(lm, [make_edit("head", layer, head, float(factor)) for layer, head in heads])


def _word(lm: LoadedModel) -> None:
    with st.form("add word", border=False):
        first, second, _ = st.columns([5, 2, 5], vertical_alignment="bottom")
        word = first.text_input("Neurons that promote", key="add word", placeholder="a word or sign, such as eight")
        pressed = second.form_submit_button("Search", type="primary", width="stretch")
    word = word.strip()
    found = job_slot(
        lm,
        "add word",
        word,
        plain(f"Searching for neurons that promote {word!r}"),
        lambda progress: promoters(lm, word, SHOWN, progress=progress),
        "Press **Search** for the neurons that promote a word.",
        start=pressed,
        outdated="show",
    )
    if found is not None:
        _found(lm, found.result)


def _found(lm: LoadedModel, found: Promoters) -> None:
    by_name = {f"{p.layer}_{p.neuron}": p for p in reversed(found.found)}
    names = list(dict.fromkeys(f"{p.layer}_{p.neuron}" for p in found.found))
    with st.form("add found", border=False):
        first, second, third = st.columns([6, 2, 2], vertical_alignment="bottom")
        chosen = first.multiselect(
            f"Neurons that promote {code(found.word)}, best first",
            names,
            default=names[:1],
            key="add found",
            format_func=lambda name: f"{name} ({three_digits(by_name[name].score)})",
            help="In brackets the score: standard deviations above the mean of the neuron's projection.",
        )
        factor = second.number_input("Factor", LEAST, MOST, 0.0, 0.5, key="found factor")
        pressed = third.form_submit_button("Add these neurons", type="primary", width="stretch")
    if pressed:
        if not chosen:
            raise UserError("Choose at least one neuron.")
        read = readings_found(found)
        for p in (by_name[n] for n in chosen):
            remember(lm, p.layer, p.neuron, read(p.layer, p.neuron))
        _add_and_rerun(lm, [make_edit("neuron", by_name[n].layer, by_name[n].neuron, float(factor)) for n in chosen])


def _file(lm: LoadedModel) -> None:
    uploaded = st.file_uploader(
        "A recipe that Abacus saved (JSON)", type=["json"], key="recipe file", max_upload_size=2
    )
    if uploaded is None:
        return
    recipe = read_recipe(uploaded.getvalue())
    n = len(recipe.edits)
    st.markdown(
        f"**{plain(recipe.title) or 'Untitled'}**: {n:,} edit{'s' if n != 1 else ''} of "
        + mono(recipe.model.name)
        + (f". {plain(recipe.note)}" if recipe.note else "")
    )
    if st.button("Use these edits", type="primary"):
        try:
            bench.use_recipe(lm, recipe)
        except OtherModelError as error:
            st.session_state[bench.WAITING] = (recipe, str(error), error.fits)
        st.rerun()


def _add_and_rerun(lm: LoadedModel, edits: list[Edit]) -> None:
    bench.add(lm, edits)
    st.rerun()
