"""The page What-if: what happens when heads and neurons are scaled, ablated, or have their sign flipped?"""

import streamlit as st

from core.edits.edit_set import kind_of, name_of
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
A head's factor multiplies its slice of the *input* of the attention output map, a neuron's factor its coefficient
(an entry of the input of the FFN output map), at every position (CNA, section 3.2). Edits act in this session's own
computation only; the loaded weights are never changed.

The sampled continuation adds the same random noise to the log-probabilities of both models (the Gumbel trick), so they
part where the edit matters, not by luck. The effect is the mean over prompts of $\mathrm{KL}(p\,\Vert\,p')$ between the
original's next token and the edited one's. Random sets are drawn from the other heads and neurons of the same layers.

An effect on the next token says little about later ones, and a set that does no more than random ones may still matter
on other prompts.
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
    edits = bench.edit_set().active
    settings = {"edits": [{kind_of(e): name_of(e), "factor": e.factor} for e in edits]}
    asked = controls(lm)
    with told():
        found = answered(lm, edits, asked) if asked is not None else None
        if found is not None:
            verdict(found)
            columns(lm, found, settings)
        if asked is not None:
            single_edits(lm, edits, asked, settings)
    keeping(lm, asked.prompts if asked is not None else ())
    with told():
        comparing(lm)
    with st.expander("How this is computed"):
        st.markdown(EXPLANATION)


page()
