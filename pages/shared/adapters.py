"""The adapters of the loaded model: shipped ones, own ones, and a folder that a person names."""

from collections.abc import Mapping
from pathlib import Path

import streamlit as st

from core.lora.series import SHIPPED, Series, own_series, shipped_series
from core.lora.settings import About
from core.model.adapter_files import AdapterFolder
from core.model.load import LoadedModel
from pages.shared.permissions import check_allowed
from pages.shared.present import told
from pages.shared.resources import check_adapter_fits

CHOSEN, NEXT = "lora_series", "lora series next"
OWN = "own_adapter"


def series_here(lm: LoadedModel) -> list[Series]:
    """The series that were trained on this model: the shipped one first."""
    return [*shipped_series(lm), *own_series(lm)]


def choose_series(lm: LoadedModel) -> Series | None:
    """The series that the page shows; None where there is none."""
    there = series_here(lm)
    if not there:
        return None
    names = {name_of(series): series for series in there}
    if st.session_state.get(NEXT) in names:  # one that was just trained
        st.session_state[CHOSEN] = st.session_state.pop(NEXT)
    if st.session_state.get(CHOSEN, next(iter(names))) not in names:
        st.session_state.pop(CHOSEN)
    if len(there) == 1:
        return there[0]
    picked = st.selectbox(
        "Adapters", list(names), key=CHOSEN, format_func=lambda name: series_label(names[name]), bind="query-params"
    )
    return names[picked]


def name_of(series: Series) -> str:
    """A series' name in the link: "shipped", or that of its folder."""
    return "shipped" if series.folder in SHIPPED.values() else series.folder.name


def series_label(series: Series) -> str:
    """A series in words."""
    settings = series.adapters[0].settings
    open_ = len(series.adapters) - len(series.finished)
    where = "shipped" if series.folder in SHIPPED.values() else "trained here"
    return (
        f"{where}: {len(series.adapters)} layers, rank {settings.rank}, {settings.n_train:,} prompts, "
        f"{settings.epochs} epochs, seed {settings.seed}" + (f", {open_} unfinished" if open_ else "")
    )


def note_skipped(trained: Mapping[str, About]) -> None:
    """Says which trainings, by name, skipped steps; nothing where none did."""
    for name, about in trained.items():
        if about.skipped:
            st.caption(
                f":material/info: {name}: {about.skipped:,} of {about.steps:,} training steps were skipped, because "
                "their gradients were infinite or NaN."
            )


def adapters_of(lm: LoadedModel, series: Series | None) -> dict[str, Path]:
    """Folders by name: those of a series, and the one that the person named."""
    found = {f"layer {about.layer}": series.place(about.layer) for about in series.adapters} if series else {}
    own = st.session_state.get(OWN, "").strip()
    if own:
        with told():
            check_allowed()
            folder = AdapterFolder.read(own)
            check_adapter_fits(lm, folder.folder)
            found[folder.folder.resolve().name] = folder.folder
    return found
