"""The route of a head to the picked neuron: from which positions it brings something, and what was written there."""

import streamlit as st

from core.chain.case import LogicCase
from core.chain.head_paths import HeadPaths, head_paths
from core.chain.reach import reaches
from core.hooks import check_neuron
from core.model.load import LoadedModel
from core.types import Neuron
from pages.shared.neuron_card import CARD, neuron_of
from pages.shared.present import short_number, told
from pages.shared.words import code, head_name, three_digits, visible

SHOW = "head routes"
WEIGHTS = {
    "weight": short_number("weight", "Inner product with the neuron's keys, up and gate together; above 0 enhances."),
    "weight_up": short_number("up", "By the up key alone."),
    "weight_gate": short_number("gate", "By the gate key alone; 0 in models without a gate."),
}


def head_routes(lm: LoadedModel, case: LogicCase) -> None:
    """Three tables for the picked neuron and one of the heads, when they are asked for."""
    name = st.session_state.get(CARD)
    if not name or not st.toggle("Show how the heads reach this neuron", key=SHOW):
        return
    with told():
        layer, index = neuron_of(name)
        check_neuron(lm, layer, index)
        neuron = layer, index
        heads = [head for head in case.heads if reaches(lm, head, neuron)]
        if not heads:
            st.markdown(f"Neuron {name} lies below these heads, so it reads nothing of what they write.")
            return
        names = [head_name(*head) for head in heads]
        chosen = st.segmented_control("Head", names, default=names[0], key="route head", required=True)
        _tables(head_paths(lm, case.run, heads[names.index(chosen)], neuron), neuron)


def _tables(paths: HeadPaths, neuron: Neuron) -> None:
    positions, sources = paths.positions_frame(), paths.sources_frame()
    positions["token"] = [visible(token) for token in positions["token"]]
    st.markdown(
        f"Head {head_name(*paths.head)} brings neuron {neuron[0]}_{neuron[1]} most from position {paths.via}, "
        f"{code(paths.tokens[paths.via])} (weight {three_digits(positions['weight'][paths.via])}). Of what was written "
        f"there, it would carry the output of {sources['source'][0]} furthest."
    )
    columns = st.columns([4, 3, 3])
    titles = "From each position", "All heads of the layer", f"What was written at position {paths.via}"
    for column, title, frame in zip(columns, titles, (positions, paths.heads_frame(), sources), strict=True):
        column.caption(title)
        column.dataframe(frame, hide_index=True, height=260, column_config=WEIGHTS)
    st.caption(
        "Inner products with the neuron's keys, times the sign of its own score, without the norm's scale of the "
        "neuron and without biases. The first two tables are weighted by attention. The third is not: it also scores "
        "what the head did not look at."
    )
