"""Page: which neurons promote a word, and which tokens count as numbers and operators?"""

import pandas as pd
import streamlit as st

from core import disk_cache
from core.errors import UserError
from core.model.load import LoadedModel
from core.vocabulary.concepts import (
    CONCEPT_LISTS,
    DEFAULT_LIST,
    EVERY_FORM,
    concept_groups,
    concept_ids,
    concept_tokens,
)
from core.vocabulary.promoters import Promoters, promoters
from pages.find_neurons.chart import promoter_dots
from pages.find_neurons.settings import SearchSettings
from pages.shared.claims.badge import finding
from pages.shared.inputs import keep_concepts, own_concepts
from pages.shared.job_slot import job_slot
from pages.shared.neuron_card import CARD, card_here, pick
from pages.shared.neuron_words import readings_found
from pages.shared.permissions import check_allowed, locked
from pages.shared.present import downloads, heading, short_number, told
from pages.shared.resources import current_model, kept
from pages.shared.theme import is_dark
from pages.shared.words import code, mono, percent, plain, three_digits

EXPLANATION = r"""
Every neuron's value $v$ is projected onto the vocabulary, $W_U(g \odot v)$, with both signs: a neuron with a negative
coefficient writes $-v$. The score is the word's logit in standard deviations above the mean of that neuron's own
projection; the rank counts the tokens that are promoted more. The score says what a neuron would write if it fired,
not that it ever fires, and it leaves out later layers: shallow neurons often mean something only after an attention
layer (see the logic chain).
"""

LISTS = (
    "Digits and operator signs: the short list that the paper's counts suggest. All number words: with number words of "
    "five languages, ordinals, Roman numerals and words for operators, but without words that mean something else in "
    "English or code (NULL, once, un, due, elf, I, x, v). Every written form: these too, and digits up to 999; the "
    "shaped bundled model was trained with this one."
)


def _search(lm: LoadedModel) -> None:
    with st.form("search"):
        first, second, third = st.columns([4, 3, 2], vertical_alignment="bottom")
        first.text_input("A word or sign", SearchSettings.word, **SearchSettings.bound("word"))
        second.slider("Neurons", 10, 200, SearchSettings.neurons, 10, **SearchSettings.bound("neurons"))
        pressed = third.form_submit_button("Search", type="primary", width="stretch")
    settings = SearchSettings.read()
    found = job_slot(
        lm,
        "search",
        settings,
        f"Looking for {mono(settings.word)}",
        lambda p: promoters(lm, settings.word, settings.neurons, progress=p),
        "",
        start="auto",
        pressed=pressed,
    )
    if found is not None:
        _show(lm, found.result, settings)


def _show(lm: LoadedModel, found: Promoters, settings: SearchSettings) -> None:
    frame = found.to_frame()
    frame["name"] = [f"{layer}_{neuron}" for layer, neuron in zip(frame["layer"], frame["neuron"], strict=True)]
    frame["when"] = ["coefficient > 0" if sign > 0 else "coefficient < 0" for sign in frame["sign"]]
    frame["selected"] = frame["name"] == st.session_state.get(CARD)
    st.altair_chart(
        promoter_dots(frame, is_dark(), lm.n_layers),
        key="search dots",
        on_select=_dot,
        selection_mode="pick",
        alt="Neurons that promote the word, by layer",
    )
    best, late = frame.iloc[0], (frame["layer"] >= lm.n_layers // 2).mean()
    is_number = bool(set(found.tokens) & set(kept(lm, concept_tokens, EVERY_FORM)))
    finding(
        lm,
        "promoters" if is_number else "other words",
        f"Neuron **{best['name']}** promotes {code(found.word)} most ({best['when']}): {three_digits(best['score'])} "
        f"standard deviations above its mean, rank {best['rank']} of {lm.n_vocab:,}. {percent(float(late))} of these "
        f"{len(frame)} neurons are in the upper half of the layers.",
        "promoters",
    )
    columns = ["name", "when", "score", "rank", "top_tokens"]
    st.dataframe(
        frame[columns],
        hide_index=True,
        key="search table",
        on_select=_row,
        selection_mode="single-row",
        column_config={"name": "neuron", "top_tokens": "promotes", "score": short_number("score")},
    )
    st.session_state["search table names"] = frame["name"].tolist()
    st.text_input(
        "Neuron",
        key=CARD,
        bind="query-params",
        placeholder="click a dot or a row, or type 7_129",
        help="Opens a neuron's card: layer_neuron, both from 0.",
    )
    if st.session_state.get(CARD):
        st.session_state["card place"] = "search"
    card_here(lm, "search", readings_found(found), first=True)
    downloads("neurons-of-a-word", lm, settings, frame[columns], lambda dark: promoter_dots(frame, dark, lm.n_layers))


def _dot() -> None:
    rows = st.session_state["search dots"]["selection"].get("pick", [])
    if rows and "name" in rows[0]:
        pick(rows[0]["name"], "search")


def _row() -> None:
    rows = st.session_state["search table"]["selection"]["rows"]
    if rows:
        pick(st.session_state["search table names"][rows[0]], "search")


def _concepts(lm: LoadedModel) -> None:
    st.header("Numbers and operators")
    st.markdown(
        "The logic chain's filter for shallow neurons counts one of these lists of tokens; which one is chosen there. "
        "If you write your own list, the filter uses yours for the rest of this session."
    )
    which = st.selectbox(
        "List", CONCEPT_LISTS, CONCEPT_LISTS.index(DEFAULT_LIST), key="concept_list", bind="query-params", help=LISTS
    )
    groups = kept(lm, concept_groups, which)
    shown = pd.DataFrame(
        {
            "group": list(groups),
            "tokens": [len(ids) for ids in groups.values()],
            "which": [" ".join(lm.token(i).strip() for i in ids) for ids in groups.values()],
        }
    )
    st.dataframe(shown, hide_index=True)
    total = len({i for ids in groups.values() for i in ids})
    st.caption(f"{which.capitalize()}: {total:,} of {lm.n_vocab:,} tokens ({percent(total / lm.n_vocab)}).")
    _own_list(lm, list(dict.fromkeys(lm.token(i).strip() for ids in groups.values() for i in ids)))


def _own_list(lm: LoadedModel, words: list[str]) -> None:
    """A person's own list, written from one that is there."""
    # another list or model, or the page was left: the list's words are the ones to edit
    if "concept words" not in st.session_state or st.session_state["concept words of"] != words:
        st.session_state["concept words of"] = words
        st.session_state["concept words"] = " ".join(words)
    with st.form("concepts"):
        text = st.text_area("Concept tokens, separated by spaces", key="concept words", height=140)
        first, second, _ = st.columns([1, 1, 3])
        use = first.form_submit_button("Use these", width="stretch")
        reset = second.form_submit_button("Drop my list", width="stretch")
    if reset:
        keep_concepts(lm, None)
    elif use:
        with told():
            keep_concepts(lm, tuple(concept_ids(lm, text.split())))
    own = own_concepts(lm)
    st.caption(
        "In use: the list that is chosen on the page CNA logic chain."
        if own is None
        else f"In use: {len(own)} tokens of your own."
    )


def _kept() -> None:
    st.header("Cache on this computer")
    st.markdown(
        "Results that depend only on a model's weights are computed once and kept in "
        f"`{disk_cache.folder()}`: {disk_cache.size() / 2**20:.1f} MB of at most {disk_cache.limit() / 2**20:.0f} MB. "
        "The environment variables `ABACUS_CACHE` and `ABACUS_CACHE_MB` set the folder and the limit."
    )
    if st.button(
        "Clear",
        icon=":material/delete:",
        help="Cleared results are computed again when they are needed.",
        disabled=locked(),
    ):
        check_allowed()
        st.toast(f"{disk_cache.clear() / 2**20:.1f} MB freed.")
        st.rerun()


def page() -> None:
    """Draws the page."""
    heading("Find neurons", "Which neurons, in the whole model, promote a word?")
    lm = current_model()
    with told():
        _search(lm)
    with told():
        _concepts(lm)
    try:
        _kept()
    except UserError as error:
        st.error(plain(str(error)), icon=":material/error:")
    with st.expander("How this is computed"):
        st.markdown(EXPLANATION)


page()
