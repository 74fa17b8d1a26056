"""The page What-if: what happens to the answers when heads and neurons are scaled?"""

import streamlit as st

from core.model.load import LoadedModel
from pages.shared import bench
from pages.shared.present import heading, told
from pages.shared.resources import current_model
from pages.what_if.adding import adding
from pages.what_if.answers import answered, columns, controls, verdict
from pages.what_if.comparing import comparing
from pages.what_if.keeping import keeping
from pages.what_if.rows import rows
from pages.what_if.single_edits import single_edits

EXPLANATION = r"""
A head's factor multiplies its slice of the *input* of the attention output projection, a neuron's factor its
coefficient (an entry of the input of the FFN's second matrix), at every position (CNA, section 3.2). Edits apply to
this session's own computations only; the loaded weights are never changed.

The sampled continuation adds the same random noise to the log-probabilities of both models (the Gumbel trick), so that
the two continuations differ only where the edit makes a difference. The effect is the mean over prompts of
$\mathrm{KL}(p\,\Vert\,p')$ between the original model's next-token distribution and the edited one's. Random sets are
drawn from the other heads and neurons of the same layers.

An effect on the next token says little about later tokens, and a set whose effect is no larger than that of random sets
may still matter on other prompts.
"""


def _bench(lm: LoadedModel) -> None:
    with told():
        bench.open_bench(lm)
    with st.container(border=True):
        adding(lm)
        with told():
            rows(lm)
    bench.keep_in_link(lm)


def page() -> None:
    """Draws the page."""
    heading(
        "What-if",
        "What happens to the model's answers when heads and neurons are scaled, ablated, or have their sign flipped?",
    )
    lm = current_model()
    _bench(lm)
    asked = controls(lm, bench.edit_set().active)
    if asked is not None:
        with told():
            found = answered(lm, asked)
            if found is not None:
                verdict(lm, found.result)
                columns(lm, found.result, found.key)
            single_edits(lm, asked)
    keeping(lm, asked.prompts if asked is not None else ())
    with told():
        comparing(lm)
    with st.expander("How this is computed"):
        st.markdown(EXPLANATION)


page()
