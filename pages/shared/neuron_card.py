"""One neuron's card: the tokens it promotes, the tokens its keys match, the prompts on which it fires most."""

import streamlit as st

from core.errors import UserError
from core.hooks import ScaleNeuron, check_neuron
from core.model.load import LoadedModel
from core.neurons.max_activating import activating_arithmetic
from core.vocabulary.key_tokens import DIRECTIONS, key_tokens
from core.vocabulary.neuron_tokens import both_sides
from pages.shared.job_slot import job_slot
from pages.shared.neuron_words import Reading, Readings, remember
from pages.shared.present import told
from pages.shared.resources import kept
from pages.shared.words import code, three_digits

CARD, PLACE = "neuron", "card place"
TO_ADD = "edits to add"  # what the page on edits takes over when it opens
COUNT = 30  # prompts of each operation and number of digits
N_TOKENS = 10


def neuron_of(name: str) -> tuple[int, int]:
    """The layer and index of a neuron's name, such as 7_129.

    Raises:
        UserError: for a name that is written otherwise.
    """
    parts = name.strip().split("_")
    if len(parts) != 2 or not all(part.isdecimal() for part in parts):
        raise UserError(f"{name!r} is not a neuron. Write layer and neuron, both from 0, as in 5_120.")
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
            "Add to what-if edits, ablated",
            icon=":material/tune:",
            key=f"edit {name}",
            on_click=_add,
            args=(lm, layer, neuron, reading),
            help="It is added to the edits on the page What-if.",
        )
        st.caption(
            "Writes: the neuron's value projected onto the vocabulary, which leaves out later layers. Looks for: its "
            "keys against the embedding of one token at a time, which misleads where the residual stream holds much "
            "more than one token."
        )


def _add(lm: LoadedModel, layer: int, neuron: int, reading: Reading | None) -> None:
    remember(lm, layer, neuron, reading)
    edits = st.session_state.setdefault(TO_ADD, [])
    edit = ScaleNeuron(layer, neuron, 0.0)
    if edit not in edits:
        edits.append(edit)
    st.toast(f"Neuron {layer}_{neuron} is added on the page What-if.", icon=":material/tune:")


def _writes(lm: LoadedModel, layer: int, neuron: int, reading: Reading | None) -> None:
    later = list(range(layer + 1, lm.n_layers))
    choices: list[int | None] = [None, *later]
    through = st.selectbox(
        "Writes",
        choices,
        key=f"through {layer}_{neuron}",
        format_func=lambda j: "directly" if j is None else f"through attention layer {j}",
    )
    sides = kept(lm, both_sides, layer, neuron, N_TOKENS, through)
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
        format_func=lambda d: "input tokens (embedding)" if d == "embedding" else "output tokens (unembedding)",
    )
    found = kept(lm, key_tokens, layer, neuron, 6, direction)
    for (key, sign), rows in found.groupby(["key", "sign"], sort=False):
        side = "matches" if sign > 0 else "opposes"
        st.markdown(f"{key} key {side}: " + " ".join(code(t) for t in rows["token"]))


def _fires(lm: LoadedModel, layer: int, neuron: int) -> None:
    st.markdown("**Fires most on**")
    found = job_slot(
        lm,
        "neuron card",
        (layer, neuron, COUNT),
        f"Running prompts for neuron {layer}_{neuron}",
        lambda p: activating_arithmetic(lm, layer, neuron, COUNT, p),
        "",
        start="auto",
    )
    if found is None:
        return
    rows = found.result[["prompt", "coefficient"]]
    top = rows.head(6)
    st.dataframe(top.assign(coefficient=[three_digits(c) for c in top["coefficient"]]), hide_index=True, height=248)
    st.caption(f"Coefficient at the last position, of {len(rows)} one-digit and two-digit prompts.")
