"""Table 9: one prompt's important neurons without and with adapters, and the neurons that changed most."""

from functools import partial
from pathlib import Path
from typing import Any

import pandas as pd
import streamlit as st

from core import paper
from core.forward.answers import BOTH
from core.model.load import LoadedModel
from core.neurons.comparison import Comparison
from pages.lora.started import job_for
from pages.shared.lora.work import N_ANSWER, OnePrompt, answers, digest, one_prompt
from pages.shared.neuron_card import card_here, pick
from pages.shared.permissions import locked
from pages.shared.present import told
from pages.shared.resources import model_key
from pages.shared.waiting import outcome, wait_for
from pages.shared.words import code, mono, moved, percent, plain, three_digits, visible

LESS, MORE = "lora less", "lora more"
K = 10
QUESTIONS = "3-5=\n12-49=\n52-18=\n34+28=\n17*5=\n96/8="
MOST = 40


def show(lm: LoadedModel, adapters: dict[str, Path], best: str) -> None:
    """Answers, coefficients and changes of one prompt, under one chosen adapter."""
    st.header("One prompt, with and without")
    first, second = st.columns([3, 2])
    prompt = first.text_input("Prompt", "3+5=", key="lora prompt", bind="query-params")
    names = list(adapters)
    chosen = second.selectbox("Adapter", names, index=names.index(best) if best in names else 0, key="lora chosen")
    with second:
        off = locked()
    second.text_input(
        "Another adapter",
        key="own adapter",
        placeholder="a PEFT folder on this computer",
        disabled=off,
        help="Its weights must be safetensors, and made for this model.",
    )
    with told():
        _answers(lm, {chosen: adapters[chosen]}, first)
    with told():
        ids = lm.encode(prompt)
        key = ("lora prompt", *model_key(lm), tuple(ids), chosen, tuple((n, digest(f)) for n, f in adapters.items()))
        job = job_for(key, plain(f"Looking into {prompt}"), lambda p: one_prompt(lm, adapters, chosen, prompt, K, p))
        wait_for(job)
        found = outcome(job)
        if isinstance(found, OnePrompt):
            _coefficients(lm, found, prompt)
            _changed(lm, found, chosen)


def _answers(lm: LoadedModel, adapter: dict[str, Path], where: Any) -> None:
    text = where.text_area("Ask both models, one prompt a line", QUESTIONS, key="lora questions", height=170)
    prompts = [line.strip() for line in text.splitlines() if line.strip()][:MOST]
    for prompt in prompts:
        lm.check_length(len(lm.encode(prompt)) + N_ANSWER, BOTH)
    if not prompts:
        return
    ((name, folder),) = adapter.items()
    key = ("lora answers", *model_key(lm), name, digest(folder), tuple(prompts))
    job = job_for(key, "Asking both models", lambda p: answers(lm, adapter, prompts, p))
    wait_for(job)
    table = outcome(job)
    if isinstance(table, pd.DataFrame):
        table = table.assign(answer=(table[name] == table["without an adapter"]).map({True: "same", False: "changed"}))
        st.dataframe(table, hide_index=True)
        st.markdown(
            f"With the adapter on {name}, {int((table['answer'] == 'changed').sum())} of {len(table)} answers "
            "are others than without."
        )


def _said(found: OnePrompt, pair: tuple[int, int]) -> str:
    return " ".join(visible(token) for token in found.tokens[pair])


def _coefficients(lm: LoadedModel, found: OnePrompt, prompt: str) -> None:
    table = found.coefficients
    target = code(lm.token(table.target))
    st.markdown(
        f"**The {len(table.neurons)} most important neurons of {mono(prompt)} → {target}** "
        "without an adapter, and their coefficients with one on each layer (like table 9)"
    )
    frame = table.to_frame().drop(columns=["layer", "neuron"])
    frame.insert(0, "neuron", [f"{layer}_{neuron}" for layer, neuron in table.neurons])
    frame["top tokens"] = [_said(found, pair) for pair in table.neurons]
    numbers = [c for c in frame.columns if c not in ("neuron", "top tokens")]
    st.dataframe(frame, hide_index=True, column_config=three_significant(numbers))
    rises = [
        (float((table.base.sign() * row).sum() / table.base.abs().sum()) - 1, name)
        for name, row in zip(table.models, table.others, strict=True)
    ]
    most, name = max(rises)
    least, other = min(rises)
    st.markdown(
        f"Taken together, each by the sign it has without an adapter, their coefficients {moved(most)} with the "
        f"adapter on {name}, the highest, and {moved(least)} with the one on {other}, the lowest of {len(rises)}."
    )
    left, _ = st.columns([3, 2])
    with left.expander("Table 9 of the paper: Llama-7B"):
        theirs = paper.table(9)
        st.caption(f"{paper.SOURCE}. Their numbers. {theirs['title']}.")
        st.dataframe(pd.DataFrame(theirs["rows"], index=theirs["columns"]).T)
    st.download_button(
        "Coefficients as CSV",
        frame.to_csv(index=False),
        "lora-coefficients.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )


def _changed(lm: LoadedModel, found: OnePrompt, chosen: str) -> None:
    target = code(lm.token(found.less.target))
    st.markdown(
        f"**Neurons that the adapter on {chosen} changed most** (importance for {target}; click a row for its card)"
    )
    for title, key, change in (
        ("Matter more with the adapter", MORE, found.more),
        ("Matter less with the adapter", LESS, found.less),
    ):
        st.markdown(title)
        frame = _change_frame(found, change, key == MORE)
        st.dataframe(
            frame,
            hide_index=True,
            key=key,
            selection_mode="single-row",
            height=250,
            on_select=partial(_open, key, frame["neuron"].tolist()),
            column_config=three_significant(list(frame.columns[1:-1])),
        )
    top, of = found.more.pairs[0], found.more
    how = "rises most, from" if float(of.change[0]) > 0 else "falls least (none rises), from"
    st.markdown(
        f"The importance of **{top[0]}_{top[1]}** {how} {three_digits(float(of.importance_second[0]))} to "
        f"{three_digits(float(of.importance_first[0]))} nats, while p({code(lm.token(of.target))}) goes from "
        f"{percent(of.probability_second)} to {percent(of.probability_first)}."
    )
    card_here(lm, "lora changed", first=True)


def three_significant(columns: list[str]) -> Any:
    """Number columns with three significant digits."""
    return {name: st.column_config.NumberColumn(name, format="%.3g") for name in columns}


def _change_frame(found: OnePrompt, of: Comparison, more: bool) -> pd.DataFrame:
    """Columns: neuron, change (with - without), importance and coefficient without / with, top tokens."""
    order = ("second", "first") if more else ("first", "second")
    change = of.change.numpy() if more else -of.change.numpy()
    frame = pd.DataFrame({"neuron": [f"{layer}_{n}" for layer, n in of.pairs], "change": change})
    for what in ("importance", "coefficient"):
        for said, side in zip(("without", "with"), order, strict=True):
            frame[f"{what} {said}"] = getattr(of, f"{what}_{side}").numpy()
    frame["top tokens"] = [_said(found, pair) for pair in of.pairs]
    return frame[frame["change"] > 0 if more else frame["change"] < 0].reset_index(drop=True)


def _open(key: str, names: list[str]) -> None:
    rows = st.session_state[key]["selection"]["rows"]
    if rows:
        pick(names[rows[0]], "lora changed")
