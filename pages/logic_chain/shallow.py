"""Part 5 of the logic chain: the shallow neurons and input tokens that reach the deep neurons."""

import pandas as pd
import streamlit as st

from core.chain.case import LogicCase
from core.model.load import LoadedModel
from pages.logic_chain.charts import feature_bars
from pages.logic_chain.notebook import notebook_shallow
from pages.logic_chain.settings import ChainSettings
from pages.shared.claims.badge import finding
from pages.shared.neuron_card import card_here, pick
from pages.shared.neuron_words import readings_of
from pages.shared.papers import same_in_paper
from pages.shared.present import downloads, short_number
from pages.shared.theme import is_dark
from pages.shared.words import code, listed, percent, visible

COLUMNS = [
    "name",
    "position",
    "token",
    "score",
    "weighted",
    "attention",
    "coefficient",
    "through",
    "tokens before",
    "tokens after",
]


def shallow_neurons(lm: LoadedModel, case: LogicCase, settings: ChainSettings) -> None:
    """Scores of this case's shallow neurons and word embeddings, with their tokens (table 7)."""
    st.header("5 · Where do their inputs come from?")
    if case.features is None:
        st.info("No neuron of the list reads what these heads write.", icon=":material/info:")
        return
    frame = feature_table(case)
    st.altair_chart(feature_bars(frame, is_dark()), alt="Scores of shallow neurons and tokens by position")
    _sentence(lm, case, frame)
    st.dataframe(
        frame[COLUMNS],
        hide_index=True,
        key="shallow table",
        on_select=_row,
        selection_mode="single-row",
        column_config={
            **{name: short_number(name) for name in ("score", "attention", "coefficient")},
            "weighted": short_number("attention-weighted"),
        },
    )
    st.session_state["shallow table names"] = [
        name if kind == "neuron" else None for name, kind in zip(frame["name"], frame["kind"], strict=True)
    ]
    st.caption(
        "score: inner product with the root's keys, after the attention layer in *through* and the heads, as if they "
        "attended there fully (the paper's score). attention-weighted: the same, times the attention of this run."
    )
    card_here(lm, "shallow", readings_of(lm, case))
    downloads("shallow-neurons", lm, settings, frame[COLUMNS], lambda dark: feature_bars(frame, dark))
    same_in_paper(lm, 7)
    notebook_shallow(lm)


def feature_table(case: LogicCase) -> pd.DataFrame:
    """The features as chart and table show them."""
    assert case.features is not None
    frame = case.features.to_frame()
    frame["place"] = [f"{p} {visible(t)}" for p, t in zip(frame["position"], frame["token"], strict=True)]
    for when in ("before", "after"):
        frame[f"tokens {when}"] = [" ".join(t.strip() or "␣" for t in tokens) for tokens in frame[f"tokens_{when}"]]
    frame["tokens"] = frame["tokens after"].where(frame["tokens after"] != "", frame["tokens before"])
    frame["through"] = [str(j) if pd.notna(j) else "straight to the head" for j in frame["through"]]
    return frame


def _row() -> None:
    rows = st.session_state["shallow table"]["selection"]["rows"]
    name = st.session_state["shallow table names"][rows[0]] if rows else None
    if name:
        pick(name, "shallow")


def _sentence(lm: LoadedModel, case: LogicCase, frame: pd.DataFrame) -> None:
    assert case.features is not None
    neurons, words = frame[frame["kind"] == "neuron"], frame[frame["kind"] == "embedding"]
    root = f"{case.features.root[0]}_{case.features.root[1]}"
    found = []
    if len(neurons):
        best = neurons.loc[neurons["score"].idxmax()]
        tokens = " ".join(code(t) for t in best["tokens"].split()[:5])
        found.append(f"shallow neuron **{best['name']}** at {_at(best)}, which then promotes {tokens}")
    if len(words):
        best = words.loc[words["score"].idxmax()]
        found.append(f"the token {_at(best)} itself")
    looked = words.loc[words["attention"].idxmax()] if len(words) else None
    sentence = (
        f"Root **{root}** (the lowest deep neuron that reads the heads) has the largest scores for {listed(found)}."
    )
    if looked is not None:
        sentence += (
            f" The heads attend most to {_at(looked)}, with {percent(float(looked['attention']))} of their attention."
        )
    finding(lm, "shallow", sentence, "shallow of the prompt")


def _at(row: pd.Series) -> str:
    return f"{code(row['token'])} (position {row['position']})"
