"""One neuron's card: what it writes, what it looks for, which prompts make it fire."""

import pandas as pd
import streamlit as st

from core.errors import UserError
from core.hooks import ScaleNeuron, check_neuron
from core.model.load import LoadedModel
from core.neurons.max_activating import activating_prompts
from core.prompts.arithmetic import make_prompts
from core.vocabulary.key_tokens import DIRECTIONS, key_tokens
from core.vocabulary.neuron_tokens import both_sides
from pages.shared.neuron_words import Reading, Readings, remember
from pages.shared.present import told
from pages.shared.words import code, three_digits

CARD, PLACE = "neuron", "card place"
TO_ADD = "edits to add"  # what the page on edits takes over when it opens
COUNT = 60
N_TOKENS = 10


def neuron_of(name: str) -> tuple[int, int]:
    """The layer and index of a neuron's name, such as 7_129.

    Raises:
        UserError: for a name that is written otherwise.
    """
    parts = name.strip().split("_")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise UserError(f"{name!r} is no neuron. Write layer and neuron, both from 0, as in 5_120.")
    return int(parts[0]), int(parts[1])


def pick(name: str, place: str) -> None:
    """Opens a neuron's card at a place on the page; for callbacks of charts and tables."""
    st.session_state[CARD], st.session_state[PLACE] = name, place


def no_reading(layer: int, neuron: int) -> None:
    """What a place says that shows no run: a neuron's card then has no sign to go by."""


def card_here(lm: LoadedModel, place: str, readings: Readings = no_reading, first: bool = False) -> None:
    """Draws the picked neuron's card, if it was picked at this place (or nowhere, and this is the first).

    `readings` gives the coefficient that a neuron has in what this place shows.
    """
    if st.session_state.get(CARD) and st.session_state.get(PLACE, place if first else None) == place:
        with told():
            card(lm, st.session_state[CARD], readings)


def card(lm: LoadedModel, name: str, readings: Readings) -> None:
    """Draws one neuron's card."""
    layer, neuron = neuron_of(name)
    check_neuron(lm, layer, neuron)
    reading = readings(layer, neuron)
    with st.container(border=True):
        st.markdown(f"#### Neuron {layer}_{neuron}")
        writes, looks, fires = st.columns([5, 4, 4])
        with writes:
            _writes(lm, layer, neuron, reading)
        with looks:
            _looks_for(lm, layer, neuron)
        with fires:
            _fires(lm, layer, neuron)
        st.button(
            "Add to what-if edits, switched off",
            icon=":material/tune:",
            key=f"edit {name}",
            on_click=_add,
            args=(lm, layer, neuron, reading),
            help="The page What-if takes it over.",
        )
        st.caption(
            "What a neuron writes is its value read in the vocabulary: it leaves out later layers. What it "
            "looks for reads its keys against one word at a time, so it misleads where the residual stream "
            "holds much more than a word."
        )


def _add(lm: LoadedModel, layer: int, neuron: int, reading: Reading | None) -> None:
    remember(lm, layer, neuron, reading)
    edits = st.session_state.setdefault(TO_ADD, [])
    edit = ScaleNeuron(layer, neuron, 0.0)
    if edit not in edits:
        edits.append(edit)
    st.toast(f"Neuron {layer}_{neuron} waits on the page What-if.", icon=":material/tune:")


def _writes(lm: LoadedModel, layer: int, neuron: int, reading: Reading | None) -> None:
    later = list(range(layer + 1, lm.n_layers))
    choices: list[int | None] = [None, *later]
    through = st.selectbox(
        "Writes",
        choices,
        key=f"through {layer}_{neuron}",
        format_func=lambda j: "as it is" if j is None else f"after attention layer {j} carried it on",
    )
    sides = both_sides(lm, layer, neuron, N_TOKENS, through)
    if reading is not None and reading.coefficient < 0:
        sides = sides[::-1]
    for side, tokens in zip(("promotes", "suppresses"), sides, strict=True):
        st.markdown(f"{side}: " + " ".join(code(t) for t in tokens))
    here = f"Here: {reading.in_words()}." if reading is not None else "With a positive coefficient."
    st.caption(f"{here} The other sign swaps the two.")


def _looks_for(lm: LoadedModel, layer: int, neuron: int) -> None:
    direction = st.selectbox(
        "Looks for",
        DIRECTIONS,
        key=f"looks {layer}_{neuron}",
        index=0 if layer < lm.n_layers // 2 else 1,
        format_func=lambda d: "words, as they come in" if d == "embedding" else "words, as they go out",
    )
    found = key_tokens(lm, layer, neuron, 6, direction)
    for (key, sign), rows in found.groupby(["key", "sign"], sort=False):
        side = "with" if sign > 0 else "against"
        st.markdown(f"{key} key, {side}: " + " ".join(code(t) for t in rows["token"]))


def _fires(lm: LoadedModel, layer: int, neuron: int) -> None:
    found = _strongest(lm, layer, neuron)
    st.markdown(f"**Fires most on** (of {len(found)} one-digit and two-digit prompts, last position)")
    st.dataframe(found.head(6), hide_index=True, height=248)


def _strongest(lm: LoadedModel, layer: int, neuron: int) -> pd.DataFrame:
    prompts = [p.text for p in make_prompts(digits=[1, 2], count=COUNT // 2)]
    usable = []
    for prompt in prompts:
        try:
            lm.encode(prompt)
            usable.append(prompt)
        except UserError:  # a model that cannot read this one
            continue
    if not usable:
        return pd.DataFrame(columns=["prompt", "coefficient"])
    found = activating_prompts(lm, usable, layer, neuron)[["prompt", "coefficient"]]
    return found.assign(coefficient=[three_digits(value) for value in found["coefficient"]])
