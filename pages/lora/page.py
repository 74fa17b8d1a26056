"""The page LoRA comparison: what does fine-tuning do inside?"""

from typing import Any

import streamlit as st
from streamlit.delta_generator import DeltaGenerator

from core.model.load import LoadedModel
from pages.lora import bands, by_layer, one_prompt
from pages.lora.settings import BandSettings, PromptSettings, TrainSettings
from pages.lora.training import MOST_TRAIN, train_here
from pages.shared.adapters import OWN, adapters_of, choose_series
from pages.shared.papers import preset_menu
from pages.shared.permissions import locked
from pages.shared.present import heading
from pages.shared.resources import current_model

WIDGETS = {
    "train": TrainSettings.widgets(),
    "prompt": PromptSettings.widgets(),
    "bands": BandSettings.widgets(),
}

EXPLANATION = """
An adapter (LoRA) of low rank is trained on the query, key, value and output projections of one attention layer, with
two-digit cases of + - * /. Half of all differences are negative, and these are the cases that the base model does not
know. Half of the training prompts are drawn from them (our choice). The test prompts are drawn from all cases alike and
are never used for training.

Neurons of the base model and of the model with an adapter are compared as in comparative neuron analysis, with two
models in place of two runs. The target is the base model's prediction, and the scale of the final norm is that of the
first model's run. The base weights are in memory once; adapters run beside them and do not affect other people's work.

The coefficient increase is measured on the base model's own most important neurons, each by the sign of its coefficient
there, so that the choice does not favour neurons that an adapter strengthens. Coefficients are those at the last
position. A neuron whose value an adapter makes important in some other way is not counted.
"""


def _presets(lm: LoadedModel, place: DeltaGenerator, adapters: list[str]) -> None:
    def takes(question: str, name: str, value: Any) -> bool:
        if name == "adapter":
            return value in adapters
        if name == "n_train":
            return value <= MOST_TRAIN
        return name != "layers" or max(value) < lm.n_layers

    preset_menu(lm, place, "lora_comparison", WIDGETS, takes=takes)


def page() -> None:
    """Draws the page."""
    heading(
        "LoRA comparison",
        "What does fine-tuning do inside? A base model is compared, neuron by neuron, with versions of it that have "
        "an adapter on one attention layer.",
    )
    lm = current_model()
    place = st.container()
    series = choose_series(lm)
    train_here(lm, open_it=series is None)
    if series is not None:
        by_layer.show(lm, series)
    adapters = adapters_of(lm, series)
    _presets(lm, place, list(adapters))
    if adapters:
        one_prompt.show(lm, adapters, f"layer {series.best().layer}" if series else next(iter(adapters)))
    else:
        st.text_input(
            "Or compare an adapter of your own",
            key=OWN,
            placeholder="a PEFT folder on this computer",
            disabled=locked(),
        )
    if series is not None:
        bands.show(lm, series)
    with st.expander("How this is computed"):
        st.latex(
            r"\text{change} = \text{Imp}_\text{first} - \text{Imp}_\text{second} \qquad "
            r"\text{increase} = \frac{\sum \text{sign}(m_o)\, m_i}{\sum |m_o|} - 1"
        )
        st.markdown(EXPLANATION + "\nCNA, section 5.")


page()
