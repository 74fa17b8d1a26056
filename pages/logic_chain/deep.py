"""Part 2 of the logic chain: which deep neurons carry the answer?"""

from typing import Any

import pandas as pd
import streamlit as st

from core import paper
from core.chain.case import LogicCase
from core.heads.sweep import sweep_heads
from core.model.load import LoadedModel
from core.neurons.ablation_effects import single_effects
from core.neurons.attribution import first_order
from core.progress import Progress, part
from pages.logic_chain.charts import agreement, neuron_dots
from pages.logic_chain.roles import AGAINST, CARRIES, ORDERS, TURNS, Order, carried, in_order, role_of
from pages.shared.charts import PICK
from pages.shared.neuron_card import CARD, PLACE, card_here, pick
from pages.shared.neuron_words import readings_of
from pages.shared.present import downloads, short_number, told
from pages.shared.resources import board, model_key, session_id
from pages.shared.theme import is_dark
from pages.shared.waiting import outcome, wait_for
from pages.shared.words import code, head_name, listed, percent, three_digits

LABELLED = 6
COLUMNS = [
    "rank",
    "name",
    "role",
    "carried",
    "change",
    "importance_first",
    "importance_second",
    "coefficient_first",
    "coefficient_second",
    "tokens",
]
SHOWN = {
    "rank": st.column_config.NumberColumn("rank", help="By change, largest first: the order of the paper's CNA."),
    "role": st.column_config.TextColumn("role", help="By importance with all heads on, and change."),
    "name": "neuron",
    "tokens": st.column_config.TextColumn("promotes", width="large"),
    "carried": short_number(
        "carried",
        "The part of the change that is lost support: importance with the heads on "
        "minus that with them off, where below 0 counts as 0; nats.",
    ),
    "change": short_number("change", "Importance with the heads on minus with them off, nats."),
    "importance_first": short_number("imp. on", "Importance with all heads on, nats."),
    "importance_second": short_number("imp. off", "Importance with the heads off, nats."),
    "coefficient_first": short_number("coef. on", "Coefficient with all heads on."),
    "coefficient_second": short_number("coef. off", "Coefficient with the heads off."),
}


def deep_neurons(lm: LoadedModel, case: LogicCase, settings: dict[str, Any]) -> None:
    """Dot plot, sentence, table like table 4, the picked neuron's card."""
    st.header("2 · Which neurons carry it?")
    order = st.segmented_control(
        "Order", ORDERS, default=ORDERS[0], key="neuron_order", bind="query-params", required=True
    )
    frame = table_of(case, order)
    st.altair_chart(
        neuron_dots(frame, is_dark()),
        key="neuron dots",
        on_select=_dot,
        selection_mode=PICK,
        alt="Change of importance of the top neurons by layer",
    )
    st.markdown(_sentence(lm, case, frame))
    _exact(case)
    st.dataframe(
        frame[COLUMNS],
        hide_index=True,
        key="neuron table",
        on_select=_row,
        selection_mode="single-row",
        height=320,
        column_config=SHOWN,
    )
    st.session_state["neuron table names"] = frame["name"].tolist()
    st.text_input(
        "Neuron",
        key=CARD,
        bind="query-params",
        placeholder="click a dot or a row, or type 7_129",
        help="Opens a neuron's card: layer_neuron, both from 0.",
        on_change=_typed,
    )
    card_here(lm, "deep", readings_of(lm, case), first=True)
    downloads("cna-neurons", lm, settings, frame[COLUMNS], lambda dark: neuron_dots(frame, dark))
    with st.expander("The same in the paper: Llama-7B"):
        _paper_table()
    with st.expander("First-order scores: all at once, but approximate"), told():
        _first_order(lm, case)


def table_of(case: LogicCase, order: Order) -> pd.DataFrame:
    """The ranked neurons as the chart and the table show them; `tops` marks the first rows, which are labelled."""
    frame = case.neurons.to_frame()
    frame["name"] = [f"{layer}_{neuron}" for layer, neuron in case.neurons.pairs]
    frame["tokens"] = [" ".join(t.strip() or "␣" for t in tokens) for tokens in case.tokens]
    frame["rank"] = range(1, len(frame) + 1)
    frame["short"] = [f"{name} {tokens[0].strip()}" for name, tokens in zip(frame["name"], case.tokens, strict=True)]
    sizes = frame.groupby("layer")["layer"].transform("size")
    frame["place"] = (frame.groupby("layer").cumcount() + 0.5) / sizes
    frame["selected"] = frame["name"] == st.session_state.get(CARD)
    both = list(zip(frame["importance_first"].tolist(), frame["importance_second"].tolist(), strict=True))
    frame["role"], frame["carried"] = [role_of(*pair) for pair in both], [carried(*pair) for pair in both]
    frame = in_order(frame, order)
    frame["tops"] = frame.index < LABELLED
    return frame


def _dot() -> None:
    rows = st.session_state["neuron dots"]["selection"].get(PICK, [])
    if rows and "name" in rows[0]:
        pick(rows[0]["name"], "deep")


def _row() -> None:
    rows = st.session_state["neuron table"]["selection"]["rows"]
    if rows:
        pick(st.session_state["neuron table names"][rows[0]], "deep")


def _typed() -> None:
    st.session_state[PLACE] = "deep"


def _sentence(lm: LoadedModel, case: LogicCase, frame: pd.DataFrame) -> str:
    c, names = case.neurons, listed([head_name(*h) for h in case.heads])
    total, after = float(c.importance_first.clamp_min(0).sum()), float(c.importance_second.clamp_min(0).sum())
    by_rank = frame.sort_values("rank")
    return (
        f"Without {names}, the importance of these {len(frame)} neurons for {code(lm.token(c.target))} goes from "
        f"{three_digits(total)} to {three_digits(after)} nats (positive ones summed). "
        + _carriers(case, frame[frame["role"] == CARRIES].sort_values("carried", ascending=False, kind="stable"))
        + _turning(int((frame["role"] == TURNS).sum()))
        + _against(by_rank[by_rank["role"] == AGAINST])
    )


def _carriers(case: LogicCase, carriers: pd.DataFrame) -> str:
    if carriers.empty:
        return "None of them carries the answer: what they add with the heads on is little, or stays without the heads."
    best = carriers.iloc[0]
    tokens = " ".join(code(t) for t in case.tokens[int(best["rank"]) - 1][:5])
    return (
        f"{len(carriers)} of them carry the answer. **{best['name']}** leads: its importance goes from "
        f"{three_digits(best['importance_first'])} to {three_digits(best['importance_second'])} nats, and it promotes "
        f"{tokens}."
    )


def _turning(n: int) -> str:
    return f" {n} turn{'s' if n == 1 else ''} against it once the heads are off." if n else ""


def _against(against: pd.DataFrame) -> str:
    if against.empty:
        return ""
    first = against.iloc[0]
    many = f"{len(against)} work" if len(against) > 1 else "One works"
    return (
        f" {many} against the answer; the first of them is **{first['name']}** (rank {first['rank']} by change, "
        f"importance {three_digits(first['importance_first'])} nats with the heads on and "
        f"{three_digits(first['importance_second'])} without)."
    )


def _exact(case: LogicCase) -> None:
    c = case.neurons
    st.caption(
        f"Exact: of {c.compared:,} neurons, {c.by_full_vocabulary} needed the full vocabulary; bounds decided the "
        "others. Layers below the heads are the same in both runs."
    )


def _paper_table() -> None:
    st.caption(paper.SOURCE + ". Their numbers for '3+5=' with head 17_22 off, not measured here.")
    table = paper.table(4)
    rows = {name: [*row[:4], " ".join(row[4])] for name, row in table["rows"].items()}
    st.dataframe(pd.DataFrame(rows, index=table["columns"]).T)


def _first_order(lm: LoadedModel, case: LogicCase) -> None:
    st.markdown(
        "One forward and one backward pass score every head and neuron by *gradient × activation*: roughly how much "
        "log p of the answer falls when it goes off. Here are all heads and the neurons above, against the exact fall."
    )
    key = ("first order", *model_key(lm), case.prompt, tuple(case.heads), len(case.neurons.pairs))
    job = st.session_state.get("first order job")
    if st.button("Compare with the exact values", icon=":material/play_arrow:"):
        job = board().submit(key, "Switching heads and neurons off", lambda p: _both(lm, case, p), session_id())
        st.session_state["first order job"] = job
    if job is None or job.key != key:
        return
    wait_for(job)
    frame = outcome(job)
    if not isinstance(frame, pd.DataFrame):
        return
    st.altair_chart(agreement(frame, is_dark()), alt="First-order scores against exact effects")
    said = []
    for kind, rows in frame.groupby("kind"):
        said.append(f"{percent(rows['approximate'].rank().corr(rows['exact'].rank()))} for {kind}s")
    st.markdown(
        f"Rank correlation with the exact effects: {' and '.join(said)}. First-order scores are approximate: where the "
        "answer is nearly certain its slope is nearly flat, and they come out too small."
    )
    st.download_button(
        "First-order scores as CSV",
        frame.to_csv(index=False),
        "first-order.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )


def _both(lm: LoadedModel, case: LogicCase, progress: Progress) -> pd.DataFrame:
    """Approximate and exact decrease of log p (nats) of every head, and of the top neurons."""
    target, pairs = case.neurons.target, case.neurons.pairs
    scores = first_order(lm, case.prompt, target)
    swept = sweep_heads(lm, [case.prompt], [target], part(progress, 0, 2))
    exact = swept.baseline[0].double().log() - swept.probability[0].double().log()
    rows = [
        ("head", head_name(layer, head), float(scores.heads[layer, head]), float(exact[layer, head]))
        for layer in range(lm.n_layers)
        for head in range(lm.n_heads)
    ]
    effects = single_effects(lm, case.prompt, pairs, target, part(progress, 1, 2))
    rows += [
        ("neuron", f"{layer}_{n}", float(scores.neurons[layer, n]), float(e))
        for (layer, n), e in zip(pairs, effects, strict=True)
    ]
    return pd.DataFrame(rows, columns=["kind", "name", "approximate", "exact"])
