"""The page Pruning: which deep FFN neurons are enough?"""

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.lora.prune_study import PruneStudy, check_top, study_pruning
from core.lora.report import TWO_DIGIT, deep_from
from core.lora.series import Series
from core.lora.settings import About
from core.model.load import LoadedModel
from pages.pruning import results
from pages.pruning.settings import FindSettings, TrainSettings
from pages.pruning.training import train_on_kept
from pages.shared.adapters import choose_series, name_of
from pages.shared.job_slot import job_slot
from pages.shared.papers import preset_menu
from pages.shared.present import heading, told
from pages.shared.resources import adapter_digest, current_model

#: A link names all but the default by these words.
CASES = {TWO_DIGIT: f"of {TWO_DIGIT} two-digit prompts", 0: "every one-digit case"}
SERIES = "prune series"
WIDGETS = {"find": FindSettings.widgets(), "train": TrainSettings.widgets()}

EXPLANATION = """
A case is one token of a prompt's right answer, after the right tokens before it. Blanks that begin an answer are not
cases. For every case, all deep FFN neurons are ranked by how much their importance for its token differs between the
base model and the model with the adapter, in both directions (our choice). The paper uses all one-digit prompts,
negative results included. Two-digit prompts that the adapter was trained on can be used here as well; in a small
model they find more of the neurons. The union of the top n of all cases is kept. Where it is larger than the chosen
share, the neurons that are in the top n of most cases stay. All other deep neurons are set to zero at every position.
In a small model a few neurons per case soon add up to a large share of all neurons, so that the share matters more
here than in Llama-7B.

The curve shows the model with the adapter after neurons are removed, without further training. The four columns are the
base model, the model with the adapter, an adapter that is trained while only the kept neurons work, and one that is
trained with as many random neurons in each layer. Importance is the direct effect on the answer. Neurons that only
prepare what later layers read are not found, and more of them are lost the lower the deep layers begin.
"""


def _controls(lm: LoadedModel, series: Series) -> tuple[bool, FindSettings]:
    layers = [about.layer for about in series.adapters]
    lowest = max(deep_from(lm), min(layers))
    best = series.best(lowest).layer
    changed = st.session_state.setdefault(SERIES, name_of(series)) != name_of(series)
    if changed:  # the defaults are those of a series; a widget with a key keeps its value when only its default changes
        st.session_state[SERIES] = name_of(series)
        for name, value in {"layer": best, "from_layer": lowest}.items():
            st.session_state[FindSettings.bound(name)["key"]] = value
    with st.form("pruning"):
        first, second, third, fourth, fifth = st.columns([3, 2, 2, 4, 1], vertical_alignment="bottom")
        layer = first.selectbox(
            "Adapter on layer", layers, 0 if changed else layers.index(best), **FindSettings.bound("layer")
        )
        second.number_input(
            "Deep layers from",
            0,
            lm.n_layers - 1,
            "min" if changed else lowest,
            help="17 of 32 in the paper.",
            **FindSettings.bound("from_layer"),
        )
        third.number_input(
            "Top n of each case", 1, lm.n_neurons, FindSettings.n, help="500 in the paper.", **FindSettings.bound("n")
        )
        fourth.selectbox(
            "Cases that find them",
            list(CASES),
            format_func=CASES.__getitem__,
            help="A case is one token of a right answer. The paper takes every one-digit case.",
            **FindSettings.bound("n_two_digit"),
        )
        pressed = fifth.form_submit_button("Find", type="primary")
    return pressed, FindSettings.read(digest=adapter_digest(series.place(layer)))


def _presets(lm: LoadedModel, series: Series, place: DeltaGenerator) -> None:
    def takes(question: str, name: str, value: Any) -> bool:
        if name == "layer":
            return any(about.layer == value for about in series.adapters)
        most = {"from_layer": lm.n_layers - 1, "n": lm.n_neurons}
        return name not in most or value <= most[name]

    preset_menu(lm, place, "pruning", WIDGETS, takes=takes)


def _study(lm: LoadedModel, series: Series, about: About, asked: FindSettings, pressed: bool) -> PruneStudy | None:
    found = job_slot(
        lm,
        "pruning",
        asked,
        "Comparing the base model and the adapter",
        lambda progress: study_pruning(
            lm,
            series.place(about.layer),
            about.settings,
            asked.from_layer,
            asked.n,
            asked.n_two_digit,
            progress=progress,
        ),
        "Press **Find** to compare the base model and the adapter, one answer token at a time.",
        start=pressed,
        main=True,
        check=lambda: check_top(lm, asked.from_layer, asked.n),
    )
    return found.result if found is not None and len(found.result.curve.points) else None


def page() -> None:
    """Draws the page."""
    heading(
        "Pruning",
        "Which deep FFN neurons are enough? Only neurons that differ between a base model and its adapter are kept, "
        "all others are set to zero, and the adapter is trained again.",
    )
    lm = current_model()
    series = choose_series(lm)
    if series is None:
        st.info(
            "There is no adapter for this model yet. Train one on the page **LoRA comparison**.",
            icon=":material/model_training:",
        )
    else:
        with told():
            place = st.container()
            pressed, asked = _controls(lm, series)
            _presets(lm, series, place)
            about = next(about for about in series.adapters if about.layer == asked.layer)
            found = _study(lm, series, about, asked, pressed)
            if found is not None:
                results.curve(lm, found, asked)
                train_on_kept(lm, series, about, found.found, asked)
    with st.expander("How this is computed"):
        st.markdown(EXPLANATION + "\nCNA, section 6.1.")


page()
