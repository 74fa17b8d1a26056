"""Training a series of adapters from the page: settings, curves while it runs, Stop."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import streamlit as st

from core.jobs.job import Job
from core.lora.run import CHECKPOINT, curve_so_far
from core.lora.series import SHIPPED, own_folder, read_series, train_series
from core.lora.settings import LoraSettings
from core.model.load import LoadedModel
from core.prompts.signed_arithmetic import N_TEST, cases
from pages.shared.lora.adapters import NEXT
from pages.shared.lora.charts import learning
from pages.shared.permissions import check_allowed, locked
from pages.shared.present import told
from pages.shared.resources import board, model_key, session_id
from pages.shared.theme import is_dark
from pages.shared.waiting import outcome, wait_for
from pages.shared.words import mono, of_n

JOB = "lora series job"


def train_here(lm: LoadedModel, open_it: bool) -> None:
    """The form that trains adapters, and what it is doing."""
    with st.expander("Train adapters", expanded=open_it or _job(lm) is not None, icon=":material/model_training:"):
        if open_it:
            st.markdown(
                "There is no adapter for this model yet. Choose layers and press **Train**. For a model as small "
                "as the bundled one that takes a minute or two a layer on a CPU; Stop keeps what is there."
            )
        pressed, layers, settings = _form(lm)
        if pressed:
            with told():
                _start(lm, layers, settings)
        if (job := _job(lm)) is not None:
            folder = st.session_state[JOB][1]
            wait_for(job)
            if not job.ended:
                _curves(folder, job, st.session_state[JOB][3])
            elif outcome(job) is not None:
                kept = mono(str(folder))
                st.caption(f"Kept in {kept}. Train again with the same settings to go on where it stopped.")


def _form(lm: LoadedModel) -> tuple[bool, list[int], LoraSettings]:
    everything, defaults = len(cases(2)), LoraSettings()
    off = locked()
    with st.form("train adapters"):
        layers = st.multiselect(
            "Layers",
            range(lm.n_layers),
            default=list(range(lm.n_layers)),
            key="lora layers",
            help="One adapter each, on the attention's q, k, v and o.",
        )
        first, second, third, fourth, fifth = st.columns(5)
        rank = first.number_input("Rank", 1, 256, defaults.rank, key="lora rank", help="32 in the paper.")
        rate = second.number_input(
            "Learning rate", 1e-5, 1e-1, defaults.learning_rate, format="%.4f", step=1e-3, key="lora rate"
        )
        epochs = third.number_input("Epochs", 1, 20, defaults.epochs, key="lora epochs", help="At most 4 in the paper.")
        prompts = fourth.number_input(
            "Training prompts",
            8,
            everything - N_TEST,
            defaults.n_train,
            key="lora prompts",
            help="Of the 2-digit cases; 18,000 in the paper.",
        )
        seed = fifth.number_input("Seed", 0, 10**6, 0, key="lora seed")
        pressed = st.form_submit_button("Train", type="primary", icon=":material/play_arrow:", disabled=off)
    settings = LoraSettings(
        rank=int(rank),
        alpha=2 * int(rank),
        learning_rate=float(rate),
        epochs=int(epochs),
        n_train=int(prompts),
        seed=int(seed),
    )
    return pressed, list(layers), settings


def _start(lm: LoadedModel, layers: list[int], settings: LoraSettings) -> None:
    check_allowed()
    settings.check()
    shipped = read_series(lm, SHIPPED)
    same = shipped.adapters and shipped.adapters[0].settings == settings
    if same and {about.layer for about in shipped.finished} >= set(layers):
        st.info("These adapters are the shipped ones, shown below. Change a setting to train others.")
        return
    folder = own_folder(lm, settings)
    key = ("lora series", *model_key(lm), tuple(layers), *asdict(settings).items())
    title = f"Training adapters on {len(layers)} layers" if len(layers) != 1 else "Training an adapter"
    job = board().submit(key, title, lambda p: train_series(lm, folder, settings, layers, p), session_id())
    st.session_state[JOB] = (job, folder, model_key(lm), settings.n_validation)
    st.session_state[NEXT] = str(folder)  # shown as soon as it has an adapter


def _job(lm: LoadedModel) -> Job | None:
    """The training that this session started on this model."""
    job, _, key, _ = st.session_state.get(JOB, (None,) * 4)
    return job if key == model_key(lm) else None


@st.fragment(run_every=2.0)
def _curves(folder: Path, job: Job, n_validation: int) -> None:
    """Loss and accuracy of the layer that is trained now, as far as it is."""
    if job.ended:
        return
    kept = sorted(folder.glob(f"layer_*/{CHECKPOINT}"), key=lambda file: file.stat().st_mtime)
    points = curve_so_far(kept[-1].parent) if kept else []
    if not points:
        st.caption("The curves come with the first measurement.")
        return
    layer = kept[-1].parent.name.removeprefix("layer_")
    st.markdown(
        f"**Layer {layer}**, step {points[-1].step}: {of_n(points[-1].accuracy, n_validation)} validation prompts right"
    )
    st.altair_chart(learning(pd.DataFrame([asdict(point) for point in points]), is_dark()), width="content")
