"""Part 5 of the logic chain: both measurements over a whole set of prompts, tables 5, 6, 8 and 15 to 17."""

import pandas as pd
import streamlit as st

from core import paper
from core.ablation.cases import TOP_KS
from core.ablation.shallow import ShallowAblation
from core.ablation.whole_set import ROOT_ROW, DeepSet, measure_deep_set, measure_shallow_set
from core.model.load import LoadedModel
from core.prompts.arithmetic import OPERATIONS
from core.types import Head
from pages.logic_chain.charts import decrease_lines, shallow_bars
from pages.logic_chain.settings import DeepSetSettings, ShallowSetSettings
from pages.shared.job_slot import job_slot
from pages.shared.present import downloads, told
from pages.shared.theme import is_dark
from pages.shared.words import head_name, listed, of_n, percent

LARGE_VOCABULARY = 5000


def whole_set(lm: LoadedModel, heads: list[Head]) -> None:
    """Controls and results of both measurements."""
    st.header("5 · Does it hold for all prompts?")
    neurons, shallow = st.tabs(["Deep neurons (tables 5, 6, 15, 16)", "Shallow neurons (tables 8, 17)"])
    with neurons, told():
        _deep(lm, heads)
    with shallow, told():
        _shallow(lm)


def _deep(lm: LoadedModel, heads: list[Head]) -> None:
    names = listed([head_name(*h) for h in heads])
    st.markdown(
        f"For each prompt that the model answers correctly, its own top neurons (compared with and without {names}) "
        "are set to zero (*mask*), or all other FFN neurons from the heads' layer on (*keep*), and the model answers "
        "again."
    )
    with st.form("set"):
        first, second, third = st.columns([4, 3, 2], vertical_alignment="bottom")
        first.pills(
            "Operations",
            OPERATIONS,
            selection_mode="multi",
            default=DeepSetSettings.operations,
            format_func=lambda o: f"\\{o}",
            **DeepSetSettings.bound("operations"),
        )
        second.slider("One-digit prompts of each", 5, 100, DeepSetSettings.count, 5, **DeepSetSettings.bound("count"))
        pressed = third.form_submit_button("Measure", icon=":material/play_arrow:", width="stretch")
    settings = DeepSetSettings.read(heads=tuple(heads))
    found = job_slot(
        lm,
        "deep set",
        settings,
        lambda: f"Masking neurons over {len(settings.prompts())} prompts",
        lambda p: measure_deep_set(lm, settings.heads, settings.prompts(), progress=p),
        "Press **Measure**. When you stop, what is measured until then stays.",
        start=pressed,
        outdated="show",
        check=lambda: _check(lm, settings),
    )
    if found is not None:
        _show(lm, found.result, found.key)


def _check(lm: LoadedModel, settings: DeepSetSettings) -> None:
    for prompt in settings.prompts():
        lm.encode(prompt.text)


def _show(lm: LoadedModel, result: DeepSet, settings: DeepSetSettings) -> None:
    if not int(result.mask_keep.measured.sum()):
        st.info("No prompt of the set was answered correctly and measured, so nothing can decrease.")
        return
    everything = result.to_frame()
    frame = everything[everything["measure"] != ROOT_ROW]
    st.altair_chart(decrease_lines(frame, is_dark()), alt="Decrease by number of neurons masked or kept")
    wide = everything.pivot(index="measure", columns="k", values="decrease")
    n, top = int(frame["cases"].iloc[0]), max(TOP_KS)
    lowest = min(layer for layer, _ in settings.heads)
    ablated = f"{listed([head_name(*h) for h in settings.heads])} {'is' if len(settings.heads) == 1 else 'are'} ablated"
    st.markdown(
        f"Of {n} correct answers, the model loses {percent(wide.loc['mask', top])} without the top {top} neurons of "
        f"each prompt, and {percent(wide.loc['keep', top])} with *only* these from layer {lowest} on. When {ablated}, "
        f"the coefficients of the top 10 fall by {percent(wide.loc['coefficient', 10])}."
    )
    shown = wide.loc[[*dict.fromkeys(everything["measure"])], sorted(wide.columns, reverse=True)]
    shown.columns = [f"top {k}" for k in shown.columns]
    st.dataframe(shown.map(percent))
    with st.expander("Case by case"):
        st.dataframe(result.mask_keep.cases_frame(), hide_index=True)
    downloads("mask-and-keep", lm, settings, everything, lambda dark: decrease_lines(frame, dark))
    _paper_tables((5, 6, 15, 16))


def _shallow(lm: LoadedModel) -> None:
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
            f"The model answers {of_n(result.original, result.prompts)} prompts correctly. "
            f"Without the {int(best['neurons'])} neurons that have more than {int(best['more_than'])} number or "
            f"operator tokens among their top {settings.top}, accuracy falls by {percent(best['decrease'])} of "
            f"that; without as many random neurons of the same layers by {percent(best['control_decrease'])}."
        )
    st.dataframe(frame.assign(prompts=result.prompts), hide_index=True)
    downloads("shallow-filter", lm, settings, frame, lambda dark: shallow_bars(bars, dark))
    _paper_tables((8, 17))


def _paper_tables(numbers: tuple[int, ...]) -> None:
    with st.expander("The same in the paper: Llama-7B"):
        st.caption(paper.SOURCE + ". The paper's numbers, not measured here.")
        for number in numbers:
            table = paper.table(number)
            st.markdown(f"**Table {number}.** {table['title']} ({table['unit']})")
            st.dataframe(pd.DataFrame(table["rows"], index=table["columns"]).T)
            if table.get("note"):
                st.caption(table["note"])
