"""Page: what does fine-tuning do inside?"""

import streamlit as st

from pages.lora import bands, by_layer, one_prompt
from pages.lora.training import train_here
from pages.shared.lora.adapters import adapters_of, choose_series
from pages.shared.permissions import locked
from pages.shared.present import heading
from pages.shared.resources import current_model

EXPLANATION = """
An adapter (LoRA) of low rank is trained on the query, key, value and output maps of one attention layer, on every
two-digit case of + - * /, where half of the differences are negative: those the base model does not know. Training
draws half of its prompts from them (our choice), the test prompts are drawn from all cases alike and never trained on.

Neurons of base and adapter are compared as in comparative neuron analysis, with two models in place of two runs: the
target is the base's prediction, and the final norm's scale that of the first model's run. The base weights are in
memory once; an adapter runs beside them and changes nothing for anyone else.

The coefficient increase is taken over the base's own most important neurons, each by the sign of its coefficient
there, so the choice does not favour what an adapter raises. Coefficients are those at the last position only, and a
neuron that an adapter gives a new meaning to is not seen by them.
"""


def page() -> None:
    """Draws the page."""
    heading(
        "LoRA comparison",
        "What does fine-tuning do inside? A base model is compared, neuron by neuron, with versions that carry "
        "an adapter on one attention layer.",
    )
    lm = current_model()
    series = choose_series(lm)
    train_here(lm, open_it=series is None)
    if series is not None:
        by_layer.show(lm, series)
    adapters = adapters_of(lm, series)
    if adapters:
        one_prompt.show(lm, adapters, f"layer {series.best().layer}" if series else next(iter(adapters)))
    else:
        st.text_input(
            "Or look at an adapter of your own", key="own adapter", placeholder="a PEFT folder here", disabled=locked()
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
