"""Training a series of adapters from the page: settings, curves while it runs, Stop."""

from dataclasses import asdict
from pathlib import Path

import pandas as pd
import streamlit as st

from core.jobs.job import Job
from core.lora.run import CHECKPOINT, curve_so_far
from core.lora.series import own_folder, shipped_series, train_series
from core.lora.settings import LoraSettings
from core.model.load import LoadedModel
from core.prompts.signed_arithmetic import N_TEST, cases
from pages.lora.charts import learning
from pages.lora.settings import TrainSettings
from pages.shared.adapters import NEXT
from pages.shared.job_slot import is_held, job_slot
from pages.shared.permissions import check_allowed, locked
from pages.shared.theme import is_dark
from pages.shared.words import mono, of_n

SLOT = "lora training"
#: Two-digit cases that are not test prompts.
MOST_TRAIN = len(cases(2)) - N_TEST


def train_here(lm: LoadedModel, open_it: bool) -> None:
    """The form that trains adapters, and what it is doing."""
    with st.expander("Train adapters", expanded=open_it or is_held(lm, SLOT), icon=":material/model_training:"):
        if open_it:
            st.markdown(
                "There is no adapter for this model yet. Choose layers and press **Train**. For a model as small "
                "as the bundled ones this takes a minute or two per layer on a CPU; Stop keeps what is trained so far."
            )
        pressed, settings = _form(lm)
        training = settings.training
        if pressed and any(series.has(settings.layers, training) for series in shipped_series(lm)):
            st.info("The shipped adapters, shown below, have these settings. Change one to train others.")
            pressed = False
        folder = own_folder(lm, training)
        if pressed:
            st.session_state[NEXT] = folder.name  # shown as soon as it has an adapter
        n = len(settings.layers)
        found = job_slot(
            lm,
            SLOT,
            settings,
            f"Training adapters on {n} layers" if n != 1 else "Training an adapter",
            lambda progress: train_series(lm, folder, training, settings.layers, progress),
            "Press **Train** to train one adapter for each chosen layer.",
            start=pressed,
            fresh=True,
            check=lambda: _check(training),
            while_running=lambda job: _curves(folder, job, training.n_validation),
        )
        if found is not None:
            kept = mono(str(found.result.folder))
            st.caption(f"Saved in {kept}. If it was stopped, train again with the same settings to continue.")


def _check(training: LoraSettings) -> None:
    check_allowed()
    training.check()


def _form(lm: LoadedModel) -> tuple[bool, TrainSettings]:
    off = locked()
    with st.form("train adapters"):
        st.multiselect(
            "Layers",
            range(lm.n_layers),
            default=list(range(lm.n_layers)),
            help="One adapter per layer, on the q, k, v and o projections of its attention.",
            **TrainSettings.bound("layers"),
        )
        first, second, third, fourth, fifth = st.columns(5)
        first.number_input("Rank", 1, 256, TrainSettings.rank, help="32 in the paper.", **TrainSettings.bound("rank"))
        second.number_input(
            "Learning rate",
            1e-5,
            1e-1,
            TrainSettings.learning_rate,
            format="%.4f",
            step=1e-3,
            **TrainSettings.bound("learning_rate"),
        )
        third.number_input(
            "Epochs", 1, 20, TrainSettings.epochs, help="At most 4 in the paper.", **TrainSettings.bound("epochs")
        )
        fourth.number_input(
            "Training prompts",
            8,
            MOST_TRAIN,
            TrainSettings.n_train,
            help="Drawn from the two-digit cases; 18,000 in the paper.",
            **TrainSettings.bound("n_train"),
        )
        fifth.number_input("Seed", 0, 10**6, TrainSettings.seed, **TrainSettings.bound("seed"))
        pressed = st.form_submit_button("Train", type="primary", icon=":material/play_arrow:", disabled=off)
    return pressed, TrainSettings.read()


@st.fragment(run_every=2.0)
def _curves(folder: Path, job: Job, n_validation: int) -> None:
    """Loss and accuracy of the layer that is trained now, as far as it is."""
    if job.ended:
        return
    kept = sorted(folder.glob(f"layer_*/{CHECKPOINT}"), key=lambda file: file.stat().st_mtime)
    points = curve_so_far(kept[-1].parent) if kept else []
    if not points:
        st.caption("The curves appear after the first measurement.")
        return
    layer = kept[-1].parent.name.removeprefix("layer_")
    st.markdown(
        f"**Layer {layer}**, step {points[-1].step}: {of_n(points[-1].accuracy, n_validation)} validation prompts are "
        "answered correctly"
    )
    st.altair_chart(learning(pd.DataFrame([asdict(point) for point in points]), is_dark()), width="content")
