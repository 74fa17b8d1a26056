"""Indirect effects of single heads and neurons at the last position."""

import pandas as pd
import streamlit as st

from core.mediation.effect import Average
from core.mediation.study import N_NEURONS, MeasuredUnits, measure_units
from core.mediation.units import HEAD_PARTS, UnitEffects
from core.model.load import LoadedModel
from pages.mediation.charts import head_effect_map
from pages.mediation.metric import Shown
from pages.mediation.numbers import effect_text
from pages.mediation.task import Task
from pages.shared.claims.badge import finding
from pages.shared.job_slot import job_slot
from pages.shared.present import downloads
from pages.shared.theme import is_dark
from pages.shared.words import head_name, percent, visible


def heads_and_neurons(lm: LoadedModel, task: Task, shown: Shown) -> None:
    """Effects of single heads, and of the neurons that CNA finds between the two prompts, as chosen above the maps."""
    st.subheader("Single heads and neurons at the last position")
    pairs = task.measured.found.pairs
    head_part = st.selectbox(
        "Of a head, copy its",
        HEAD_PARTS,
        key="pair_head_part",
        bind="query-params",
        help="Attention weights are those with which the last position reads the prompt, on the base run's values; "
        "everywhere: those of every position at once.",
    )
    explanation = (
        f"Copies every head's {head_part}, and the coefficients of the {N_NEURONS} neurons whose importance for the "
        f"base's result changes most between the two prompts (CNA), over {task.name}."
    )
    found = job_slot(
        lm,
        "mediation units",
        (tuple(pairs), task.measured.settings.metric, head_part),
        "Copying single heads and neurons",
        lambda progress: measure_units(
            lm, pairs, progress=progress, metric=task.measured.settings.metric, head_part=head_part
        ),
        f"{explanation} Press **Measure heads and neurons**.",
        start=st.button("Measure heads and neurons", icon=":material/play_arrow:"),
    )
    if found is not None:
        _show(lm, task, found.result, head_part, shown)


def _show(lm: LoadedModel, task: Task, found: MeasuredUnits, head_part: str, shown: Shown) -> None:
    heads, neurons = (_averaged(units, shown) for units in (found.heads, found.neurons))
    average, kind, what = shown.average, shown.kind, shown.what
    drawn = heads.assign(value=found.heads.to_frame()[shown.column])
    heads["name"] = [head_name(layer, head) for layer, head in found.heads.places]
    drawn["name"] = heads["name"]
    st.altair_chart(head_effect_map(drawn, is_dark(), kind, what), width="content", alt=f"{what} of each head")
    best = heads.loc[heads["IE"].idxmax()]
    neurons.insert(0, "name", [head_name(layer, neuron) for layer, neuron in found.neurons.places])
    for number, side in enumerate(("promotes", "suppresses")):  # over many pairs, a neuron has no one sign
        neurons[side] = [" ".join(visible(t) for t in both[number]) for both in found.tokens]
    neurons = neurons.sort_values("IE", ascending=False, ignore_index=True)
    strongest = neurons.iloc[0]
    finding(
        lm,
        "heads",
        f"{_strongest('Head', best, average)} and the prediction becomes the alternative's result in "
        f"{percent(best['wanted'])} of {len(found.heads.pairs)} pairs. Of the {len(neurons)} neurons: "
        f"{_strongest('neuron', strongest, average)} and it becomes that in {percent(strongest['wanted'])} of "
        f"{len(found.neurons.pairs)} pairs.",
        "heads and neurons",
    )
    st.dataframe(neurons.drop(columns=["layer", "neuron"]), hide_index=True, key="flow neurons")
    st.caption(
        "Tokens that the neuron promotes and suppresses when its coefficient is positive; a negative one swaps the two."
    )
    both = pd.concat([heads.assign(site="head"), neurons.assign(site="neuron")], ignore_index=True)
    settings = {**task.settings, "of a head": head_part, "shown": shown.choice, "average": average}
    downloads("heads-and-neurons", lm, settings, both, lambda dark: head_effect_map(drawn, dark, kind, what))


def _strongest(kind: str, best: pd.Series, average: Average) -> str:
    """The largest effect in words; one at or below zero does not favour the alternative's result."""
    how = "has the largest effect by itself" if best["IE"] > 0 else "comes closest to a positive effect, which none has"
    return f"{kind} **{best['name']}** {how}: IE {effect_text(best['IE'])} ({average}),"


def _averaged(found: UnitEffects, shown: Shown) -> pd.DataFrame:
    """Columns: layer, head or neuron, IE (the chosen average), wanted, unwanted, undesired, and what else is shown."""
    frame = found.to_frame()
    unit = "neuron" if found.site == "neuron" else "head"
    plain = frame[["layer", unit, shown.average, "wanted", "unwanted", "undesired"]]
    plain = plain.rename(columns={shown.average: "IE"})
    return plain if shown.is_indirect_effect or shown.is_share else plain.assign(**{shown.name: frame[shown.column]})
