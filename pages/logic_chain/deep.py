"""Part 2 of the logic chain: the deep neurons that carry the answer."""

import pandas as pd
import streamlit as st

from core.chain.case import LogicCase
from core.model.load import LoadedModel
from core.neurons.agreement import score_agreement
from core.neurons.roles import AGAINST, CARRIES, ORDERS, TURNS, Order, carried, in_order, role_of
from pages.logic_chain.charts import agreement, neuron_dots
from pages.logic_chain.notebook import notebook_neurons
from pages.logic_chain.settings import ChainSettings
from pages.shared.charts import PICK
from pages.shared.claims.badge import finding
from pages.shared.job_slot import job_slot
from pages.shared.neuron_card import CARD, PLACE, card_here, pick
from pages.shared.neuron_words import readings_of
from pages.shared.papers import same_in_paper
from pages.shared.present import downloads, short_number, told
from pages.shared.theme import is_dark
from pages.shared.words import code, head_name, listed, three_digits

LABELLED = 6
LABEL_HEIGHT = 0.06  # of the chart
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
    "rank": st.column_config.NumberColumn("rank", help="By change, largest first, as in the paper."),
    "role": st.column_config.TextColumn(
        "role", help="What the neuron does for the answer, by its importance and its change."
    ),
    "name": "neuron",
    "tokens": st.column_config.TextColumn("promotes", width="large"),
    "carried": short_number(
        "carried",
        "The part of the change that is lost support: importance with all heads minus importance with the heads "
        "ablated, where negative importance counts as 0; nats.",
    ),
    "change": short_number("change", "Importance with all heads minus importance with the heads ablated, nats."),
    "importance_first": short_number("imp. all", "Importance with all heads, nats."),
    "importance_second": short_number("imp. abl.", "Importance with the heads ablated, nats."),
    "coefficient_first": short_number("coef. all", "Coefficient with all heads."),
    "coefficient_second": short_number("coef. abl.", "Coefficient with the heads ablated."),
}


def deep_neurons(lm: LoadedModel, case: LogicCase, settings: ChainSettings) -> None:
    """Dot plot, sentence, table like table 4, the picked neuron's card."""
    st.header("2 · Which neurons carry the answer?")
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
    finding(lm, "neurons", _sentence(lm, case, frame), "neurons of the prompt")
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
    same_in_paper(lm, 4)
    notebook_neurons(lm, case)
    with st.expander("First-order scores: all at once, but approximate"), told():
        _first_order(lm, case, settings)


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
    frame["tops"] = _labels_apart(frame)
    return frame


def _labels_apart(frame: pd.DataFrame) -> list[bool]:
    """Whether each neuron's dot is labelled: the first ones, but where the label would cover another."""
    least = LABEL_HEIGHT * float(frame["change"].max() - frame["change"].min())
    kept: list[tuple[int, float]] = []
    shown = []
    for rank, (layer, change) in enumerate(zip(frame["layer"], frame["change"], strict=True)):
        free = all(layer != other or abs(change - height) > least for other, height in kept)
        shown.append(rank < LABELLED and free)
        if shown[-1]:
            kept.append((layer, change))
    return shown


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
        f"{three_digits(total)} to {three_digits(after)} nats (sum of the positive ones). "
        + _carriers(case, frame[frame["role"] == CARRIES].sort_values("carried", ascending=False, kind="stable"))
        + _turning(int((frame["role"] == TURNS).sum()))
        + _against(by_rank[by_rank["role"] == AGAINST])
    )


def _carriers(case: LogicCase, carriers: pd.DataFrame) -> str:
    if carriers.empty:
        return "None of them carries the answer: with all heads they add little, or they add as much without the heads."
    best = carriers.iloc[0]
    tokens = " ".join(code(t) for t in case.tokens[int(best["rank"]) - 1][:5])
    return (
        f"{len(carriers)} of them carry the answer. **{best['name']}** leads: its importance goes from "
        f"{three_digits(best['importance_first'])} to {three_digits(best['importance_second'])} nats, and it promotes "
        f"{tokens}."
    )


def _turning(n: int) -> str:
    return f" {n} turn{'s' if n == 1 else ''} against it when the heads are ablated." if n else ""


def _against(against: pd.DataFrame) -> str:
    if against.empty:
        return ""
    first = against.iloc[0]
    many = f"{len(against)} work" if len(against) > 1 else "One works"
    return (
        f" {many} against the answer; the first of them is **{first['name']}** (rank {first['rank']} by change, "
        f"importance {three_digits(first['importance_first'])} nats with all heads and "
        f"{three_digits(first['importance_second'])} without)."
    )


def _exact(case: LogicCase) -> None:
    c = case.neurons
    st.caption(
        f"Exact: of {c.compared:,} neurons, {c.by_full_vocabulary} needed the full vocabulary; bounds ruled out "
        "the others. Layers below the heads are the same in both runs."
    )


def _first_order(lm: LoadedModel, case: LogicCase, settings: ChainSettings) -> None:
    st.markdown(
        "One forward and one backward pass score every head and neuron by *gradient × activation*: roughly how much "
        "log p of the answer falls when it is ablated. Here the scores of all heads and of the neurons above are "
        "compared with the exact decreases."
    )
    found = job_slot(
        lm,
        "first order",
        settings,
        "Ablating heads and neurons one at a time",
        lambda p: score_agreement(lm, case.run.ids, case.neurons.pairs, case.neurons.target, p),
        "Press the button to ablate each of them by itself.",
        start=st.button("Compare with the exact values", icon=":material/play_arrow:"),
    )
    if found is None:
        return
    frame = found.result.to_frame()
    st.altair_chart(agreement(frame, is_dark()), alt="First-order scores against exact effects")
    correlations = [f"{three_digits(r)} for {kind}s" for kind, r in found.result.rank_correlation().items()]
    st.markdown(
        f"Rank correlation with the exact effects: {' and '.join(correlations)}. First-order scores are approximate: "
        "where the answer is nearly certain, the gradient is nearly zero and they come out too small."
    )
    st.download_button(
        "First-order scores as CSV",
        frame.to_csv(index=False),
        "first-order.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )
