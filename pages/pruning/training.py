"""Training on one choice of neurons: the share, the two trainings, table 11 and the export."""

import streamlit as st

from core.lora.prune import DeepRankings
from core.lora.prune_train import PrunedPair, train_pair
from core.lora.series import SHIPPED, Series, own_folder
from core.lora.settings import About
from core.model.load import LoadedModel
from pages.pruning.export import export_here
from pages.pruning.results import columns
from pages.pruning.settings import FindSettings, TrainSettings
from pages.shared.job_slot import Found, job_slot
from pages.shared.papers import same_in_paper
from pages.shared.permissions import check_allowed, locked
from pages.shared.present import told
from pages.shared.words import percent


def train_on_kept(lm: LoadedModel, series: Series, about: About, found: DeepRankings, asked: FindSettings) -> None:
    """Trains adapters on a share of the neurons and on as many random ones, and exports the first."""
    st.header("Train with only the kept neurons")
    first, second = st.columns([3, 1], vertical_alignment="bottom")
    share = first.slider(
        "Share of the deep neurons to keep, at most",
        0.01,
        1.0,
        TrainSettings.share,
        0.01,
        format="percent",
        **TrainSettings.bound("share"),
    )
    kept = tuple(found.keep(asked.n, share))
    if not kept:
        st.caption("That keeps no neuron. Choose a larger share.")
        return
    pressed = second.button(
        "Train twice",
        key="train pruned",
        type="primary",
        disabled=locked(),
        icon=":material/play_arrow:",
        help="One adapter with the kept neurons, and one with as many random ones.",
    )
    first.caption(
        f"{len(kept):,} neurons, {percent(len(kept) / found.n_deep)} of the deep ones. Finished trainings are saved."
    )
    settings = TrainSettings.read(layer=about.layer, from_layer=found.from_layer, kept=kept, training=about.settings)
    with told():
        trained = _trained(lm, series, settings, pressed)
        if trained is not None:
            columns(lm, about, trained.result, trained.key)
            export_here(lm, trained.result.kept)
    same_in_paper(lm, 11)


def _trained(
    lm: LoadedModel, series: Series, settings: TrainSettings, pressed: bool
) -> Found[PrunedPair, TrainSettings] | None:
    home = own_folder(lm, settings.training) if series.folder in SHIPPED.values() else series.folder
    return job_slot(
        lm,
        "pruned training",
        settings,
        "Training adapters with the kept neurons",
        lambda progress: train_pair(
            lm, settings.kept, settings.from_layer, settings.layer, settings.training, (series.folder, home), progress
        ),
        "Press **Train twice** for the columns of table 11. This takes as long as training two adapters.",
        start=pressed,
        check=check_allowed,
    )
