"""The controls of the shallow filter, whose defaults depend on the model and change with it."""

from typing import Literal, TypedDict

import streamlit as st

from core.ablation.study import SHALLOW_SETS
from core.model.load import LoadedModel
from core.vocabulary.concepts import CONCEPT_LISTS, EVERY_FORM, SHORT_LIST
from core.vocabulary.shallow import SIGNS
from pages.logic_chain.settings import ShallowSetSettings
from pages.shared.resources import model_key
from pages.shared.runs.without_browser import plan_button

LARGE_VOCABULARY = 5000
SIGN_NAMES = dict(zip(SIGNS, ("v only", "v and −v"), strict=True))
#: In the session: which model the widgets' values were given for.
_OF = "shallow form of"


class Defaults(TypedDict):
    """What the widgets begin with, by their field of `ShallowSetSettings`."""

    last: int
    top: int
    more_than: str
    counted: str
    signs: str


def defaults(lm: LoadedModel) -> Defaults:
    """What the widgets begin with on this model: on a large vocabulary as the paper has it.

    Of a small vocabulary, the top tokens hold so many concept tokens that an M of 0 to 3 would keep every neuron.
    """
    last = min(max(1, lm.n_layers // 2 - 1), lm.n_layers - 2)
    if lm.n_vocab >= LARGE_VOCABULARY:
        return {"last": last, "top": 50, "more_than": "0 1 2 3", "counted": SHORT_LIST, "signs": "plus"}
    top = max(10, lm.n_vocab // 10)
    more_than = " ".join(str(int(share * top)) for share in (0.6, 0.8, 0.9, 0.97))
    return {"last": last, "top": top, "more_than": more_than, "counted": EVERY_FORM, "signs": "both"}


def shallow_form(lm: LoadedModel) -> tuple[bool, bool]:
    """Draws the controls; whether Measure was pressed, and whether the plan is wanted."""
    begin, changed = defaults(lm), st.session_state.setdefault(_OF, model_key(lm)) != model_key(lm)
    bound = ShallowSetSettings.bound
    if changed:  # a widget with a key keeps its value when only its default changes
        st.session_state[_OF] = model_key(lm)
        for name, value in begin.items():
            st.session_state[bound(name)["key"]] = value
    with st.form("shallow"):
        _list_and_prompts(begin, changed)
        first, second, third, fourth, fifth = st.columns([3, 2, 3, 2, 2], vertical_alignment="bottom")
        last: int | Literal["min"] = "min" if changed else begin["last"]
        top: int | Literal["min"] = "min" if changed else begin["top"]
        # no slider: one with a single layer to choose cannot be drawn
        first.number_input("Layers from 0 to", 0, lm.n_layers - 2, last, **bound("last"))
        second.number_input("Top tokens", 1, lm.n_vocab, top, help="The paper looks at 50 of 32,000.", **bound("top"))
        more_than = "" if changed else begin["more_than"]
        third.text_input("More than M of them, M =", more_than, **bound("more_than"))
        fourth.number_input("Random draws", 1, 20, 3, **bound("draws"))
        pressed = fifth.form_submit_button("Measure", icon=":material/play_arrow:", width="stretch")
        return pressed, plan_button("shallow")


def _list_and_prompts(begin: Defaults, changed: bool) -> None:
    bound = ShallowSetSettings.bound
    first, second, third, fourth = st.columns([4, 2, 3, 3], vertical_alignment="bottom")
    first.selectbox(
        "Concept tokens",
        CONCEPT_LISTS,
        0 if changed else CONCEPT_LISTS.index(begin["counted"]),
        help="The short list is what the paper's counts suggest. All number words leaves out words that mean something "
        "else in English or code, such as NULL. Every written form counts these too: the shaped bundled "
        "model was trained with it. The page Find neurons shows the tokens of each.",
        **bound("counted"),
    )
    second.selectbox(
        "Signs",
        SIGNS,
        0 if changed else SIGNS.index(begin["signs"]),
        format_func=SIGN_NAMES.__getitem__,
        help="A neuron with a negative coefficient writes −v.",
        **bound("signs"),
    )
    third.selectbox(
        "Prompts",
        list(SHALLOW_SETS),
        help="One digit, where nothing else is said. The paper measures the filter on + and − (table 8), on / (table "
        "17) and, in GPT-J, on − of two digits (table 21).",
        **bound("prompt_set"),
    )
    fourth.slider("Of each operation", 5, 100, ShallowSetSettings.count, 5, **bound("count"))
