"""Which single heads and neurons carry it at the last position?"""

import pandas as pd
import streamlit as st

from core.mediation.effect import AVERAGES, Average
from core.mediation.units import UnitEffects
from core.model.load import LoadedModel
from core.vocabulary.neuron_tokens import both_sides
from pages.mediation.charts import head_effect_map
from pages.mediation.numbers import effect_text
from pages.mediation.results import Task
from pages.mediation.work import NEURONS, Parts, start_parts
from pages.shared.present import downloads
from pages.shared.theme import is_dark
from pages.shared.waiting import outcome, wait_for
from pages.shared.words import head_name, percent, visible


def heads_and_neurons(lm: LoadedModel, task: Task, average: Average) -> None:
    """Effects of single heads, and of the neurons that CNA finds between the two prompts, averaged as chosen."""
    st.subheader("Single heads and neurons at the last position")
    of = task.measured
    known = st.session_state.get("flow parts")
    if known is None or known[1] is not of:
        st.caption(
            f"Copies every head's output, and the coefficients of the {NEURONS} neurons whose importance for "
            f"the base's result changes most between the two prompts (CNA), over {task.name}."
        )
        if not st.button("Measure heads and neurons", icon=":material/play_arrow:"):
            return
        known = (start_parts(lm, of.found), of)
        st.session_state["flow parts"] = known
    job = known[0]
    if job.state in ("stopped", "failed") and st.button("Measure them again", icon=":material/refresh:"):
        job = start_parts(lm, of.found)
        st.session_state["flow parts"] = (job, of)
    wait_for(job)
    found = outcome(job)
    if isinstance(found, Parts):
        _show(lm, task, found, average)


def _show(lm: LoadedModel, task: Task, found: Parts, average: Average) -> None:
    heads, neurons = _averaged(found.heads, average), _averaged(found.neurons, average)
    what = f"indirect effect ({average})"
    heads["name"] = [head_name(layer, head) for layer, head in found.heads.places]
    st.altair_chart(head_effect_map(heads, is_dark(), what), width="content", alt=f"{what} of each head")
    best = heads.loc[heads["IE"].idxmax()]
    neurons.insert(0, "name", [head_name(layer, neuron) for layer, neuron in found.neurons.places])
    sides = [both_sides(lm, layer, neuron, 6) for layer, neuron in found.neurons.places]
    for number, side in enumerate(("promotes", "suppresses")):  # over many pairs, a neuron has no one sign
        neurons[side] = [" ".join(visible(t) for t in both[number]) for both in sides]
    neurons = neurons.sort_values("IE", ascending=False, ignore_index=True)
    strongest = neurons.iloc[0]
    st.markdown(
        f"{_strongest('Head', best, average)} and the prediction becomes the alternative's result in "
        f"{percent(best['wanted'])} of {len(found.heads.pairs)} pairs. Of the {len(neurons)} neurons: "
        f"{_strongest('neuron', strongest, average)} {percent(strongest['wanted'])} of "
        f"{len(found.neurons.pairs)} pairs."
    )
    st.dataframe(neurons.drop(columns=["layer", "neuron"]), hide_index=True, key="flow neurons")
    st.caption("promotes, suppresses: with a positive coefficient; a negative one swaps the two.")
    both = pd.concat([heads.assign(site="head"), neurons.assign(site="neuron")], ignore_index=True)
    settings = {**task.settings, "average": average}
    downloads("heads-and-neurons", lm, settings, both, lambda dark: head_effect_map(heads, dark, what))


def _strongest(kind: str, best: pd.Series, average: Average) -> str:
    """The largest effect in words; one at or below zero moves nothing towards the alternative's result."""
    how = "has the largest effect by itself" if best["IE"] > 0 else "is the least against, none helps"
    return f"{kind} **{best['name']}** {how}: IE {effect_text(best['IE'])} ({average}),"


def _averaged(found: UnitEffects, average: Average) -> pd.DataFrame:
    """Columns: layer, head or neuron, IE (the chosen average), wanted, unwanted."""
    frame = found.to_frame().rename(columns={average: "IE"})
    return frame.drop(columns=[other for other in AVERAGES if other != average])
