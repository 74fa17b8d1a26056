"""Part 6 of the logic chain: both measurements over a whole set of prompts, tables 5, 6, 8 and 15 to 17."""

import pandas as pd
import streamlit as st

from core.ablation.cases import TOP_KS
from core.ablation.whole_set import ROOT_ROW, DeepSet
from core.model.load import LoadedModel
from core.prompts.arithmetic import OPERATIONS
from core.types import Head
from pages.logic_chain.charts import decrease_lines
from pages.logic_chain.settings import DeepSetSettings
from pages.logic_chain.shallow_set import shallow_set
from pages.shared.claims.badge import finding
from pages.shared.papers import same_in_paper
from pages.shared.present import downloads, told
from pages.shared.runs.study_slot import study_slot
from pages.shared.runs.without_browser import plan_button
from pages.shared.theme import is_dark
from pages.shared.tokens import note_shift
from pages.shared.words import head_name, listed, percent


def whole_set(lm: LoadedModel, heads: list[Head]) -> None:
    """Controls and results of both measurements."""
    st.header("6 · Does it hold for all prompts?")
    neurons, shallow = st.tabs(["Deep neurons (tables 5, 6, 15, 16)", "Shallow neurons (tables 8, 17)"])
    with neurons, told():
        _deep(lm, heads)
    with shallow, told():
        shallow_set(lm)


def _deep(lm: LoadedModel, heads: list[Head]) -> None:
    names = listed([head_name(*h) for h in heads])
    st.markdown(
        "A case is one token of a prompt's right answer, after the right tokens before it. Each case that the model "
        f"predicts correctly has its own top neurons, compared with and without {names} right before the token. They "
        "are set to zero (*mask*), or all other FFN neurons from the heads' layer on (*keep*), and the token is "
        "predicted again."
    )
    with st.form("set"):
        first, second, third, fourth = st.columns([4, 2, 3, 2], vertical_alignment="bottom")
        first.pills(
            "Operations",
            OPERATIONS,
            selection_mode="multi",
            default=DeepSetSettings.operations,
            format_func=lambda o: f"\\{o}",
            **DeepSetSettings.bound("operations"),
        )
        second.pills(
            "Digits",
            [1, 2, 3],
            selection_mode="multi",
            default=DeepSetSettings.digits,
            **DeepSetSettings.bound("digits"),
        )
        third.slider("Prompts of each", 5, 100, DeepSetSettings.count, 5, **DeepSetSettings.bound("count"))
        pressed = fourth.form_submit_button("Measure", icon=":material/play_arrow:", width="stretch")
        plan = plan_button("deep")
    settings = DeepSetSettings.read(heads=tuple(heads))
    found = study_slot(
        lm,
        "deep set",
        settings,
        lambda: f"Masking neurons over {len(settings.prompts())} prompts",
        lambda progress: settings.run(lm, progress),
        "Press **Measure**. When you stop, what is measured until then stays.",
        kinds=(DeepSetSettings,),
        start=pressed,
        plan=plan,
        outdated="show",
        check=lambda: settings.check(lm),
    )
    if found is not None:
        _show(lm, found.result, found.key)


def _show(lm: LoadedModel, result: DeepSet, settings: DeepSetSettings) -> None:
    if not int(result.mask_keep.measured.sum()):
        st.info("No answer token of the set was predicted correctly and measured, so nothing can decrease.")
        return
    note_shift(lm, settings.prompts())
    everything = result.to_frame()
    frame = everything[everything["measure"] != ROOT_ROW]
    st.altair_chart(decrease_lines(frame, is_dark()), alt="Decrease by number of neurons masked or kept")
    finding(lm, "neurons", _sentence(result, everything, settings), "mask and keep")
    st.dataframe(_table(everything))
    with st.expander("Case by case"):
        st.dataframe(result.mask_keep.cases_frame(), hide_index=True)
    downloads("mask-and-keep", lm, settings, everything, lambda dark: decrease_lines(frame, dark))
    same_in_paper(lm, 5, 6, 15, 16)


def _sentence(result: DeepSet, everything: pd.DataFrame, settings: DeepSetSettings) -> str:
    found, top = everything.set_index(["measure", "k"]), max(TOP_KS)
    cases, heads = result.mask_keep.cases, settings.heads
    ablated = f"{listed([head_name(*h) for h in heads])} {'is' if len(heads) == 1 else 'are'} ablated"
    mask, keep, coefficient = found.loc[("mask", top)], found.loc[("keep", top)], found.loc[("coefficient", 10)]
    return (
        f"The {len(cases.prompts)} answers have {len(cases)} tokens; {int(mask['cases'])} of them were predicted "
        f"correctly and measured. Of these, the model loses {percent(mask['decrease'])} without the top {top} neurons "
        f"of each token, and {percent(keep['decrease'])} with *only* these from layer "
        f"{min(layer for layer, _ in heads)} on. When {ablated}, the coefficients of the top 10 fall by "
        f"{percent(coefficient['decrease'])} (mean over the tokens; median {percent(coefficient['median'])})."
    )


def _table(everything: pd.DataFrame) -> pd.DataFrame:
    """One row per measure, means and below them the medians of those that have some; one column per k."""
    means = everything.pivot(index="measure", columns="k", values="decrease")
    medians = everything.pivot(index="measure", columns="k", values="median").dropna(how="all")
    medians.index = [f"{name}, median" for name in medians.index]
    order = [row for name in dict.fromkeys(everything["measure"]) for row in (name, f"{name}, median")]
    both = pd.concat([means, medians])
    shown = both.loc[[row for row in order if row in both.index], sorted(both.columns, reverse=True)]
    shown.columns = [f"top {k}" for k in shown.columns]
    return shown.map(percent)
