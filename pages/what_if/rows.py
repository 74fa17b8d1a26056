"""The list of edits, one row per edit with its switch and factor; undo and redo."""

import streamlit as st

from core.edits.edit_set import Switch, kind_of, name_of, place_of
from core.model.load import LoadedModel
from pages.shared import bench
from pages.shared.neuron_words import described, remembered
from pages.what_if.adding import LEAST, MOST

PER_PAGE = 10
_WIDTHS = [1, 2, 5, 2, 2]


def rows(lm: LoadedModel) -> None:
    """Every edit, one page at a time."""
    state, at = bench.edit_set(), bench.history()
    if not len(state):
        st.info(
            "There are no edits yet: add a head or neuron above. Until then both columns are the same.",
            icon=":material/tune:",
        )
    else:
        pages = -(-len(state) // PER_PAGE)
        number = 1
        if pages > 1:
            if st.session_state.get("edit page", 1) > pages:
                st.session_state["edit page"] = pages
            number = st.pagination(pages, key="edit page")
        for i in range((number - 1) * PER_PAGE, min(number * PER_PAGE, len(state))):
            _row(lm, i, state.switches[i])
    with st.container(horizontal=True, vertical_alignment="bottom"):
        st.button("Undo", icon=":material/undo:", key="undo", disabled=at.at == 0, on_click=lambda: bench.go(at.undo()))
        st.button(
            "Redo",
            icon=":material/redo:",
            key="redo",
            disabled=at.at == len(at.states) - 1,
            on_click=lambda: bench.go(at.redo()),
        )
        if len(state):
            st.button("All on", key="all on", on_click=lambda: bench.put(state.all_with(on=True)))
            st.button("All off", key="all off", on_click=lambda: bench.put(state.all_with(on=False)))
            st.button("Clear", icon=":material/delete:", key="clear edits", on_click=_clear)
            with st.popover("One factor for all"):
                factor = st.slider("Factor", LEAST, MOST, 0.0, 0.1, key="factor of all")
                st.button("Set", key="set all", on_click=lambda: bench.put(state.all_with(factor=float(factor))))


def _clear() -> None:
    bench.put(type(bench.edit_set())())


def _row(lm: LoadedModel, i: int, switch: Switch) -> None:
    edit, key = switch.edit, f"{bench.version()} {i}"
    name, label = name_of(edit), f"{kind_of(edit)} {name_of(edit)}"
    on, named, tokens, factor, remove = st.columns(_WIDTHS, vertical_alignment="center")
    on.toggle(
        f"{label} is on", switch.on, key=f"on {key}", label_visibility="collapsed", on_change=_switch, args=(i, key)
    )
    named.markdown(f"{kind_of(edit)} **{name}**")
    tokens.caption(_what(lm, switch))
    factor.number_input(
        f"Factor of {label}",
        min(LEAST, edit.factor),
        max(MOST, edit.factor),
        edit.factor,
        0.5,
        key=f"factor {key}",
        label_visibility="collapsed",
        on_change=_factor,
        args=(i, key),
        format="%.4g",
    )
    remove.button(
        "Remove",
        icon=":material/close:",
        key=f"remove {key}",
        help=f"Remove {label}",
        on_click=lambda: bench.put(bench.edit_set().without(i)),
        type="tertiary",
    )


def _switch(i: int, key: str) -> None:
    bench.put(bench.edit_set().switched(i, bool(st.session_state[f"on {key}"])))


def _factor(i: int, key: str) -> None:
    bench.put(bench.edit_set().with_factor(i, float(st.session_state[f"factor {key}"])))


def _what(lm: LoadedModel, switch: Switch) -> str:
    """What a neuron promotes, by its sign where it was found if that is known."""
    kind, layer, index = place_of(switch.edit)
    if kind == "head":
        return f"attention of layer {layer}"
    return described(lm, layer, index, remembered(lm, layer, index))
