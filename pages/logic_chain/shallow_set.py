"""The shallow half of part 6 of the logic chain: the zero-shot filter over a whole set of prompts, tables 8 and 17."""

import pandas as pd
import streamlit as st

from core.ablation.shallow import ShallowAblation
from core.ablation.whole_set import measure_shallow_set
from core.model.load import LoadedModel
from pages.logic_chain.charts import shallow_bars
from pages.logic_chain.settings import ShallowSetSettings
from pages.shared.job_slot import job_slot
from pages.shared.papers import same_in_paper
from pages.shared.present import downloads
from pages.shared.theme import is_dark
from pages.shared.tokens import note_shift
from pages.shared.words import of_n, percent

LARGE_VOCABULARY = 5000


def shallow_set(lm: LoadedModel) -> None:
    """Controls and results of the filter."""
    st.markdown(
        "Which neurons of the first layers promote numbers or operators after a later attention layer, and does "
        "arithmetic need them? The filter looks at weights only."
    )
    pressed = _shallow_form(lm)
    settings = ShallowSetSettings.read(concepts=st.session_state.get("concept ids"))
    if not settings.more_than:
        st.error("Write one or more whole numbers for M, such as 0 1 2 3.", icon=":material/error:")
        return
    found = job_slot(
        lm,
        "shallow set",
        settings,
        "Ablating shallow neurons",
        lambda p: measure_shallow_set(lm, settings.prompts(), settings.filter(), p),
        f"Press **Measure** to ask {settings.count} one-digit prompts of each operation without the neurons that the "
        "filter finds, and without as many random neurons of the same layers.",
        start=pressed,
    )
    if found is not None:
        _show_shallow(lm, found.result, settings)


def _shallow_form(lm: LoadedModel) -> bool:
    """The filter's controls; whether the button was pressed."""
    deepest = min(max(1, lm.n_layers // 2 - 1), lm.n_layers - 2)
    large = lm.n_vocab >= LARGE_VOCABULARY
    top = 50 if large else max(10, lm.n_vocab // 10)
    # of 50 top tokens among 32,000 the paper's 0 to 3 are many; of a small vocabulary they keep every neuron
    few = (0, 1, 2, 3) if large else tuple(int(share * top) for share in (0.6, 0.8, 0.9, 0.97))
    bound = ShallowSetSettings.bound
    with st.form("shallow"):
        first, second, third, fourth, fifth = st.columns([3, 2, 3, 2, 2], vertical_alignment="bottom")
        first.slider("Layers from 0 to", 0, lm.n_layers - 2, deepest, **bound("last"))
        second.number_input("Top tokens", 1, lm.n_vocab, top, help="The paper looks at 50 of 32,000.", **bound("top"))
        third.text_input("More than M of them, M =", " ".join(map(str, few)), **bound("more_than"))
        fourth.number_input("Random draws", 1, 20, 3, **bound("draws"))
        return fifth.form_submit_button("Measure", icon=":material/play_arrow:", width="stretch")


def _show_shallow(lm: LoadedModel, result: ShallowAblation, settings: ShallowSetSettings) -> None:
    frame = result.to_frame()
    if frame.empty:
        st.info("Stopped before the first set was measured.")
        return
    note_shift(lm, settings.prompts())
    bars = pd.concat(
        [
            pd.DataFrame(
                {
                    "name": [f"M = {m}" for m in frame["more_than"]],
                    "set": name,
                    "decrease": frame[column],
                    "neurons": frame["neurons"],
                }
            )
            for name, column in (("found by the filter", "decrease"), ("as many random ones", "control_decrease"))
        ]
    )
    st.altair_chart(shallow_bars(bars, is_dark()), alt="Accuracy lost without shallow neurons")
    told = frame.dropna(subset=["decrease", "control_decrease"])
    if len(told):
        gap = (told["decrease"] - told["control_decrease"]).idxmax()
        best = told.loc[gap]
        st.markdown(
            f"The model predicts {of_n(result.original, result.cases)} answer tokens correctly. "
            f"Without the {int(best['neurons'])} neurons that have more than {int(best['more_than'])} number or "
            f"operator tokens among their top {settings.top}, accuracy falls by {percent(best['decrease'])} of "
            f"that; without as many random neurons of the same layers by {percent(best['control_decrease'])}."
        )
    st.dataframe(frame.assign(prompts=result.prompts, cases=result.cases), hide_index=True)
    downloads("shallow-filter", lm, settings, frame, lambda dark: shallow_bars(bars, dark))
    same_in_paper(lm, 8, 17)
