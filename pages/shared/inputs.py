"""What a person typed or picked: prompts, one per line, heads, in the sidebar or on a heatmap, and concept tokens."""

import streamlit as st

from core.errors import UserError
from core.forward.answers import BOTH
from core.model.load import LoadedModel
from pages.shared.words import head_of, mono, plain

#: The key of the heads' widget, in the sidebar of every page.
HEADS = "heads"
#: The model that a page asks the sidebar to load, by name; it is loaded in the next run.
MODEL_WANTED = "model wanted"
_CONCEPTS, _CONCEPTS_OF = "concept ids", "concept ids of"


def lines_of(text: str) -> tuple[str, ...]:
    """The lines that are not blank, as they were typed: a space at the end of a prompt is a token of its own."""
    return tuple(line for line in text.splitlines() if line.strip())


def usable_prompts(lm: LoadedModel, text: str, most: int, room: int = 0) -> list[str]:
    """The lines that the model can take; says what is wrong with the others.

    Args:
        lm: the model.
        text: one prompt per line.
        most: how many are asked.
        room: tokens that must still fit behind a prompt.
    """
    lines = lines_of(text)
    if not lines:
        st.error("There is no prompt. Type one, such as 3+5=", icon=":material/error:")
    if len(lines) > most:
        st.caption(f"Only the first {most} of {len(lines)} prompts are asked.")
    good = []
    for line in lines[:most]:
        try:
            lm.check_length(len(lm.encode(line)) + room, BOTH if room else "The prompt has")
            good.append(line)
        except UserError as error:
            st.error(f"{mono(line[:60])}: {plain(str(error))}", icon=":material/error:")
    return good


def picked_heads() -> list[tuple[int, int]]:
    """The picked heads as (layer, head)."""
    return [head_of(name) for name in st.session_state.get(HEADS, [])]


def own_concepts(lm: LoadedModel) -> tuple[int, ...] | None:
    """The concept tokens that a person wrote for this model; None: a list of `core.vocabulary.concepts` counts."""
    return st.session_state.get(_CONCEPTS) if st.session_state.get(_CONCEPTS_OF) == lm.fingerprint else None


def keep_concepts(lm: LoadedModel, ids: tuple[int, ...] | None) -> None:
    """Keeps a person's own concept tokens for this session; ids mean other words to another model."""
    st.session_state[_CONCEPTS], st.session_state[_CONCEPTS_OF] = ids, lm.fingerprint
