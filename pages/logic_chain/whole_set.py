"""Part 5 of the logic chain: does it hold over a whole set of prompts? Tables 5, 6, 8 and 15 to 17."""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import pandas as pd
import streamlit as st

from core import paper
from core.ablation.cases import remembered
from core.ablation.mask_keep import MaskKeep, mask_and_keep
from core.ablation.root import RootAblation, ablate_root
from core.ablation.shallow import ShallowAblation, ablate_shallow
from core.forward.record import record
from core.hooks import ScaleHead, intervene
from core.model.load import LoadedModel
from core.neurons.compare import compare_runs
from core.neurons.comparison import Comparison
from core.progress import Progress, part
from core.prompts.arithmetic import OPERATIONS, make_prompts
from core.vocabulary.shallow import shallow_counts
from pages.logic_chain.charts import decrease_lines, shallow_bars
from pages.shared.present import downloads, told
from pages.shared.resources import board, model_key, session_id
from pages.shared.theme import is_dark
from pages.shared.waiting import outcome, wait_for
from pages.shared.words import head_name, listed, of_n, percent

Head = tuple[int, int]
KS = (99, 50, 30, 20, 10)


@dataclass(frozen=True)
class SetResult:
    """What masking, keeping and switching off the lowest neuron do over a set."""

    mask_keep: MaskKeep
    lowest: RootAblation


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
        f"For each prompt that the model answers right: its own top neurons (with {names} on and off) are set to zero "
        "(*mask*), or all other FFN neurons from the heads' layer on (*keep*), and the answer is asked again."
    )
    with st.form("set"):
        first, second, third = st.columns([4, 3, 2], vertical_alignment="bottom")
        operations = first.pills(
            "Operations",
            OPERATIONS,
            selection_mode="multi",
            default=["+", "-"],
            key="set_operations",
            bind="query-params",
            format_func=lambda o: f"\\{o}",
        )
        count = second.slider("One-digit prompts of each", 5, 100, 100, 5, key="set_count", bind="query-params")
        pressed = third.form_submit_button("Measure", icon=":material/play_arrow:", width="stretch")
    settings: dict[str, Any] = {"operations": tuple(operations), "digits": (1,), "count": int(count)}
    key = ("whole set", *model_key(lm), tuple(heads), *settings.items())
    if pressed:
        prompts = make_prompts(**settings)
        for prompt in prompts:
            lm.encode(prompt.text)
        st.session_state["set job"] = board().submit(
            key, f"Masking neurons over {len(prompts)} prompts", lambda p: measure(lm, heads, prompts, p), session_id()
        )
    job = st.session_state.get("set job")
    if job is None or job.key[: 1 + len(model_key(lm))] != key[: 1 + len(model_key(lm))]:
        st.caption("Press **Measure**. What is computed stays when you stop.")
        return
    if job.key != key:
        st.caption(":material/info: The choices or heads have changed since: press **Measure** for these.")
    wait_for(job)
    result = outcome(job)
    if isinstance(result, SetResult):
        _show(lm, result, heads, settings)


def measure(lm: LoadedModel, heads: list[Head], prompts: list, progress: Progress) -> SetResult:
    """Tables 5 and 6 over a set; each prompt's neurons are ranked once."""
    lowest = min(layer for layer, _ in heads)

    def compare(ids: Sequence[int]) -> Comparison:
        run = record(lm, list(ids))
        with intervene(lm, *(ScaleHead(*head, 0.0) for head in heads)):
            off = record(lm, list(ids))
        return compare_runs((lm, lm), (run, off), None, min(max(KS), lm.n_layers * lm.n_neurons), lowest)

    once = remembered(compare)
    mask = mask_and_keep(lm, prompts, once, lowest, KS, part(progress, 0, 4, 3))
    return SetResult(mask, ablate_root(lm, prompts, once, KS, part(progress, 3, 4)))


def _show(lm: LoadedModel, result: SetResult, heads: list[Head], settings: dict[str, Any]) -> None:
    frame = result.mask_keep.to_frame()
    if not int(result.mask_keep.measured.sum()):
        st.info("No prompt of the set was answered right and measured, so nothing can decrease.")
        return
    st.altair_chart(decrease_lines(frame, is_dark()), alt="Decrease by number of neurons masked or kept")
    wide = frame.pivot(index="measure", columns="k", values="decrease")
    n, top = int(frame["cases"].iloc[0]), max(KS)
    st.markdown(
        f"Over {n} right answers: without its top {top} neurons the model loses {percent(wide.loc['mask', top])} of "
        f"them; with *only* these from layer {min(layer for layer, _ in heads)} on it loses "
        f"{percent(wide.loc['keep', top])}. When {listed([head_name(*h) for h in heads])} "
        f"{'goes' if len(heads) == 1 else 'go'} off, the coefficients of the top 10 fall by "
        f"{percent(wide.loc['coefficient', 10])}."
    )
    low = result.lowest.to_frame()
    wide.loc["lowest neuron off: coefficient"] = low.set_index("k")["decrease"]
    shown = wide[sorted(wide.columns, reverse=True)]
    shown.columns = [f"top {k}" for k in shown.columns]
    st.dataframe(shown.map(percent))
    with st.expander("Case by case"):
        st.dataframe(result.mask_keep.cases_frame(), hide_index=True)
    everything = pd.concat([frame, low.assign(measure="lowest neuron off: coefficient")], ignore_index=True)
    settings = {**settings, "heads": [head_name(*h) for h in heads]}
    downloads("mask-and-keep", lm, settings, everything, lambda dark: decrease_lines(frame, dark))
    _paper_tables((5, 6, 15, 16))


def _shallow(lm: LoadedModel) -> None:
    st.markdown(
        "Which neurons of the first layers name numbers or operators once a later attention layer has carried them on, "
        "and does arithmetic need them? The filter looks at weights only."
    )
    deepest = max(1, lm.n_layers // 2 - 1)
    top_default = 50 if lm.n_vocab >= 5000 else max(10, lm.n_vocab // 10)
    shares = (
        0.6,
        0.8,
        0.9,
        0.97,
    )  # of a small vocabulary's top tokens; the paper's 0 to 3 of 50 keep every neuron there
    few = [0, 1, 2, 3] if lm.n_vocab >= 5000 else [int(share * top_default) for share in shares]
    with st.form("shallow"):
        first, second, third, fourth, fifth = st.columns([3, 2, 3, 2, 2], vertical_alignment="bottom")
        last = first.slider(
            "Layers from 0 to",
            0,
            lm.n_layers - 2,
            min(deepest, lm.n_layers - 2),
            key="shallow_last",
            bind="query-params",
        )
        top = second.number_input(
            "Top tokens",
            1,
            lm.n_vocab,
            top_default,
            key="shallow_top",
            bind="query-params",
            help="The paper looks at 50 of 32,000.",
        )
        more = third.text_input(
            "More than M of them, M =", " ".join(map(str, few)), key="shallow_M", bind="query-params"
        )
        draws = fourth.number_input("Random draws", 1, 20, 3, key="shallow_draws", bind="query-params")
        pressed = fifth.form_submit_button("Measure", icon=":material/play_arrow:", width="stretch")
    values = [int(m) for m in more.replace(",", " ").split() if m.isdecimal()]
    if not values:
        st.error("Write one or more whole numbers for M, such as 0 1 2 3.", icon=":material/error:")
        return
    concepts = st.session_state.get("concept ids")
    settings = {
        "layers": int(last),
        "top": int(top),
        "more than": tuple(values),
        "draws": int(draws),
        "concepts": None if concepts is None else tuple(concepts),
    }
    key = ("shallow", *model_key(lm), *settings.items())
    if pressed:
        st.session_state["shallow job"] = board().submit(
            key, "Switching shallow neurons off", lambda p: _measure_shallow(lm, settings, p), session_id()
        )
    job = st.session_state.get("shallow job")
    if job is None or job.key != key:
        st.caption(
            "Press **Measure**: 25 one-digit prompts of each operation, without the neurons found, and without "
            "as many random ones of the same layers."
        )
        return
    wait_for(job)
    result = outcome(job)
    if isinstance(result, ShallowAblation):
        _show_shallow(lm, result, settings)


def _measure_shallow(lm: LoadedModel, settings: dict[str, Any], progress: Progress) -> ShallowAblation:
    counts = shallow_counts(
        lm,
        range(settings["layers"] + 1),
        settings["top"],
        settings["concepts"],
        part(progress, 0, 2),
    )
    prompts = make_prompts(digits=[1], count=25)
    return ablate_shallow(
        lm,
        prompts,
        counts,
        settings["more than"],
        settings["draws"],
        progress=part(progress, 1, 2),
    )


def _show_shallow(lm: LoadedModel, result: ShallowAblation, settings: dict[str, Any]) -> None:
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
            f"The model answers {of_n(result.original, result.prompts)} prompts right. "
            f"Without the {int(best['neurons'])} neurons that have more than {int(best['more_than'])} number or "
            f"operator tokens among their top {settings['top']}, accuracy falls by {percent(best['decrease'])} of "
            f"that; without as many random neurons of the same layers by {percent(best['control_decrease'])}."
        )
    st.dataframe(frame.assign(prompts=result.prompts), hide_index=True)
    downloads("shallow-filter", lm, settings, frame, lambda dark: shallow_bars(bars, dark))
    _paper_tables((8, 17))


def _paper_tables(numbers: tuple[int, ...]) -> None:
    with st.expander("The same in the paper: Llama-7B"):
        st.caption(paper.SOURCE + ". Their numbers, not measured here.")
        for number in numbers:
            table = paper.table(number)
            st.markdown(f"**Table {number}.** {table['title']} ({table['unit']})")
            st.dataframe(pd.DataFrame(table["rows"], index=table["columns"]).T)
            if table.get("note"):
                st.caption(table["note"])
