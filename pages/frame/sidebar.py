"""The sidebar of every page: the model, its change, and the picked heads."""

from uuid import uuid4

import streamlit as st

from core.errors import UserError
from core.model.load import LoadedModel
from core.model.precision import PRECISIONS, choose_device
from core.model.provenance import provenance
from core.model.resident import memory_needed
from core.model.source import free_memory, is_local
from core.progress import Progress
from pages.frame.model_notice import note_model
from pages.shared.claims.badge import open_card
from pages.shared.inputs import HEADS, MODEL_WANTED
from pages.shared.permissions import check_allowed, locked
from pages.shared.present import told
from pages.shared.resources import board, current_model, residence, session_id
from pages.shared.waiting import outcome, wait_for
from pages.shared.words import head_name, mono, plain

#: What each bundled model is, in a line.
BUNDLED_MODELS = {
    "bundled": "Shaped to show the paper's stages.",
    "bundled/plain": "Trained on next tokens only.",
}


def sidebar() -> LoadedModel | None:
    """Draws the sidebar; returns the resident model, or None when it cannot be loaded."""
    with st.sidebar:
        lm = None
        with told():
            lm = current_model()
        if lm is not None:
            _load_wanted(lm)
            note_model(lm, HEADS)
            _about(lm)
        _change(lm)
        if lm is not None:
            _picked_heads(lm)
    return lm


def _about(lm: LoadedModel) -> None:
    size = sum(p.numel() * p.element_size() for p in lm.model.parameters())
    shown = f"{size / 2**20:.0f} MB" if size < 2**30 else f"{size / 2**30:.1f} GB"
    where = "GPU" if lm.device.type == "cuda" else "CPU"
    st.markdown(f"**Model** {mono(lm.name)}")
    st.caption(
        f"{lm.precision} on the {where}, {shown} · {lm.n_layers} layers × {lm.n_heads} heads, "
        f"{lm.n_neurons:,} neurons per layer"
    )
    made = provenance(lm)
    if made is not None and st.button(
        "How this model came to be", key="model card", type="tertiary", icon=":material/description:"
    ):
        open_card(made)


def _change(lm: LoadedModel | None) -> None:
    name = lm.name if lm is not None else "bundled"
    with st.popover("Change model", icon=":material/deployed_code:", width="stretch"):
        off = locked()
        for bundled, about in BUNDLED_MODELS.items():
            st.button(
                mono(bundled),
                icon=":material/check:" if lm is not None and lm.name == bundled else None,
                width="stretch",
                key=f"load {bundled}",
                disabled=off,
                on_click=_load_bundled,
                args=(bundled,),
            )
            st.caption(about)
        source = st.text_input(
            "Or a folder or hub id",
            value=name,
            key="model source",
            disabled=off,
            help="A folder on this computer, or a Hugging Face id such as `huggyllama/llama-7b`. Some models have "
            "safetensors only in a pull request: name it, as in `EleutherAI/gpt-j-6b@refs/pr/12`.",
        ).strip()
        precision = st.selectbox(
            "Precision",
            PRECISIONS,
            key="model precision",
            disabled=off,
            help="auto: on a GPU bf16 for models that are stored as bf16 and fp16 for the rest, on a CPU fp32. "
            "int8 halves the memory (bitsandbytes).",
        )
        if not off:
            st.caption(_size(source, precision))
        st.caption("One model is loaded at a time: changing it changes it for everyone who uses this server.")
        st.button(
            "Load",
            type="primary",
            width="stretch",
            key="load model",
            disabled=off,
            on_click=_load,
            args=(source, precision),
        )
    job = st.session_state.get("model job")
    if job is not None:
        wait_for(job)
        outcome(job)


def _load_wanted(lm: LoadedModel) -> None:
    """Loads the model that another page asked for, unless it is the resident one."""
    wanted = st.session_state.pop(MODEL_WANTED, None)
    if wanted is not None and wanted != lm.name:
        st.session_state["model source"] = wanted
        _load(wanted, "auto")


def _size(source: str, precision: str) -> str:
    """What a model will take, asked once for each name (a hub id is looked up there)."""
    asked = (source, precision)
    if st.session_state.get("size asked") != asked:
        try:
            with st.spinner("Looking it up ..."):
                need = memory_needed(source, precision)
            free = free_memory(choose_device())
            told = f"Will need {need / 2**30:.2f} GB; {free / 2**30:.1f} GB are free."
            told += "" if is_local(source) else " It is downloaded first."
        except UserError as error:
            told = f":red[{plain(str(error))}]"
        st.session_state["size asked"], st.session_state["size told"] = asked, told
    return st.session_state["size told"]


def _load_bundled(name: str) -> None:
    st.session_state["model source"] = name
    _load(name, st.session_state["model precision"])


def _load(source: str, precision: str) -> None:
    """Changes the model in turn with other heavy work; holds no model while it does."""
    st.session_state.pop("model job", None)
    key, session = ("model", source, precision, uuid4().hex), session_id()

    def work(progress: Progress) -> None:
        residence().change(source, precision, session)

    with told():
        check_allowed()
        st.session_state["model job"] = board().submit(key, f"Loading {mono(source)}", work, session, slot="model")


def _picked_heads(lm: LoadedModel) -> None:
    options = [head_name(layer, head) for layer in range(lm.n_layers) for head in range(lm.n_heads)]
    if HEADS in st.session_state:
        st.session_state[HEADS] = [name for name in st.session_state[HEADS] if name in options]
    st.multiselect(
        "Heads to ablate",
        options,
        key=HEADS,
        bind="query-params",
        persist_state="session",
        placeholder="none: pick by layer_head",
        help="The pages compare the model with and without these heads. Written layer_head, both from 0. "
        "A click on the heatmap of *Arithmetic heads* picks a head too; the link in the address bar keeps them.",
    )
    if st.session_state[HEADS]:
        st.button("Clear heads", on_click=_clear, key="clear heads", width="stretch")


def _clear() -> None:
    st.session_state[HEADS] = []
