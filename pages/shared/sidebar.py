"""Which model, and which heads are picked? In the sidebar of every page."""

import streamlit as st

from core.errors import UserError
from core.model import PRECISIONS, LoadedModel, choose_device
from core.residence import memory_needed
from core.source import free_memory
from pages.shared.present import told
from pages.shared.resources import current_model, residence
from pages.shared.words import head_name, head_of

HEADS = "heads"


def sidebar() -> LoadedModel | None:
    """Draws the sidebar; returns the resident model, or None when it cannot be loaded."""
    with st.sidebar:
        lm = None
        with told():
            lm = current_model()
        if lm is not None:
            _about(lm)
        _change(lm)
        if lm is not None:
            _picked_heads(lm)
    return lm


def _about(lm: LoadedModel) -> None:
    size = sum(p.numel() * p.element_size() for p in lm.model.parameters())
    shown = f"{size / 2**20:.0f} MB" if size < 2**30 else f"{size / 2**30:.1f} GB"
    where = "GPU" if lm.device.type == "cuda" else "CPU"
    st.markdown(f"**Model** `{lm.name}`")
    st.caption(f"{lm.precision} on the {where}, {shown} · {lm.n_layers} layers × {lm.n_heads} heads, "
               f"{lm.n_neurons:,} neurons a layer")  # fmt: skip


def _change(lm: LoadedModel | None) -> None:
    with st.popover("Change model", icon=":material/deployed_code:", width="stretch"):
        source = st.text_input(
            "Model", value=lm.name if lm else "bundled", key="model source",
            help="`bundled`, a folder on this computer, or a Hugging Face id such as `huggyllama/llama-7b`.",
        )  # fmt: skip
        precision = st.selectbox(
            "Precision", PRECISIONS, key="model precision",
            help="auto: fp16 on a GPU, fp32 on a CPU. int8 halves the memory (bitsandbytes).",
        )  # fmt: skip
        try:
            if source == "bundled" or "/" not in source.strip("/") or source.startswith(("/", ".", "~")):
                _, need = memory_needed(source, precision)
                st.caption(f"Will need {need / 2**30:.2f} GB; {free_memory(choose_device()) / 2**30:.1f} GB are free.")
            else:
                st.caption("A hub model is downloaded first; its memory is checked before it is loaded.")
        except UserError as error:
            st.caption(f":red[{error}]")
        st.caption("One model is loaded at a time: changing it changes it for everyone who uses this server.")
        if st.button("Load", type="primary", width="stretch", key="load model"):
            with st.spinner(f"Loading {source} ..."), told():
                residence().change(source, precision)
                st.rerun()


def _picked_heads(lm: LoadedModel) -> None:
    options = [head_name(layer, head) for layer in range(lm.n_layers) for head in range(lm.n_heads)]
    if HEADS in st.session_state:
        st.session_state[HEADS] = [name for name in st.session_state[HEADS] if name in options]
    st.multiselect(
        "Heads to turn off", options, key=HEADS, bind="query-params", persist_state="session",
        placeholder="none: pick by layer_head",
        help="The heads whose absence the pages show. Written layer_head, both from 0. "
        "A click on the heatmap of *Arithmetic heads* picks them too; the link in the address bar keeps them.",
    )  # fmt: skip
    if st.session_state[HEADS]:
        st.button("Clear heads", on_click=_clear, key="clear heads", width="stretch")


def _clear() -> None:
    st.session_state[HEADS] = []


def picked_heads() -> list[tuple[int, int]]:
    """The picked heads as (layer, head)."""
    return [head_of(name) for name in st.session_state.get(HEADS, [])]
