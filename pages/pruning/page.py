"""Page: which deep FFN neurons are enough?"""

import streamlit as st

from core.lora.report import SHARE, TOP, TWO_DIGIT, deep_from
from core.lora.series import Series
from core.model.load import LoadedModel
from pages.pruning import results as pruned_results
from pages.pruning.work import Asked, Pruning, start
from pages.shared.lora.adapters import choose_series
from pages.shared.present import heading, told
from pages.shared.resources import current_model, model_key
from pages.shared.waiting import outcome, wait_for

JOB = "pruning job"
FINDING = {f"{TWO_DIGIT} two-digit training cases": TWO_DIGIT, "every one-digit case": 0}

EXPLANATION = """
For every case and every token of its answer, all deep FFN neurons are ranked by how much their importance differs
between the base and the adapter's model, in both directions (our choice). The paper's cases are all one-digit ones,
negative results included; ours may also be two-digit cases that were trained on, which find more in a small model. The
union of each case's top n is kept; where that is more than the wanted share, the neurons that are at the top of most
cases stay. All other deep neurons are at zero, at every position. In a small model a few neurons of every case are
soon a large share of all, so the share matters more here than in Llama-7B.

The curve is the adapter's model with neurons taken away, without any training on that. The four columns are the base,
the adapter, an adapter trained while only the kept neurons work, and one trained with as many random neurons in each
layer. Importance is the direct effect on the answer, so neurons that only prepare what later layers read are not
found: the lower the deep layers begin, the more such neurons are lost.
"""


def _controls(lm: LoadedModel, series: Series) -> tuple[bool, Asked]:
    by_layer = {about.layer: about for about in series.adapters}
    lowest = max(deep_from(lm), min(by_layer))
    if "prune from" not in st.session_state or st.session_state.get("prune series") != series.folder:
        st.session_state["prune series"] = series.folder
        st.session_state["prune adapter"], st.session_state["prune from"] = series.best(lowest).layer, lowest
    with st.form("pruning"):
        first, second, third, fourth, fifth = st.columns([3, 2, 2, 4, 1], vertical_alignment="bottom")
        layer = first.selectbox("Adapter on layer", list(by_layer), key="prune adapter")
        deep = second.number_input(
            "Deep layers from", 0, lm.n_layers - 1, key="prune from", help="17 of 32 in the paper."
        )
        n = third.number_input("Top n of each case", 1, lm.n_neurons, TOP, key="prune top", help="500 in the paper.")
        which = fourth.selectbox(
            "Cases that find them", list(FINDING), key="prune cases", help="The paper takes every one-digit case."
        )
        pressed = fifth.form_submit_button("Find", type="primary")
    return pressed, Asked(by_layer[layer], int(deep), int(n), FINDING[which])


def page() -> None:
    """Draws the page."""
    heading(
        "Pruning",
        "Which deep FFN neurons are enough? Only those that differ between a base model and its adapter are kept, "
        "all others are at zero, and the adapter is trained again.",
    )
    lm = current_model()
    series = choose_series(lm)
    if series is None:
        st.info(
            "There is no adapter for this model yet. Train one on the page **LoRA comparison**.",
            icon=":material/model_training:",
        )
    else:
        pressed, asked = _controls(lm, series)
        with told():
            if pressed:
                job = start(lm, series.place(asked.about.layer), asked)
                st.session_state[JOB] = (job, asked, model_key(lm), str(series.folder))
            _results(lm, series)
    with st.expander("How this is computed"):
        st.markdown(EXPLANATION + "\nCNA, section 6.1.")


def _results(lm: LoadedModel, series: Series) -> None:
    job, asked, key, folder = st.session_state.get(JOB, (None, None, None, None))
    if job is None or key != model_key(lm) or folder != str(series.folder):
        st.info("Press **Find** to compare base and adapter case by case.", icon=":material/play_arrow:")
        return
    wait_for(job)
    found = outcome(job)
    if isinstance(found, Pruning) and len(found.curve.points):
        pruned_results.curve(lm, found.curve.points, found.most, found.n_test, found.found, asked.n)
        pruned_results.chosen(lm, series, asked.about, found.found, asked.n, SHARE)


page()
