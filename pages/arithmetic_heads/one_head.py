"""One picked head by number of digits and by kind of answer token, beside tables 2 and 3 of the paper."""

import pandas as pd
import streamlit as st

from core import paper
from core.forward.answers import Scoring
from core.heads.one_head import DIGITS, OneHead, measure_head
from core.model.load import LoadedModel
from core.paper.models import LLAMA, model_of
from core.paper.tables import SOURCE
from core.prompts.arithmetic import OPERATIONS
from core.statistics.intervals import Estimate
from pages.arithmetic_heads.scoring import NAMES
from pages.arithmetic_heads.settings import OneHeadSettings
from pages.shared.claims.badge import finding
from pages.shared.claims.estimates import share
from pages.shared.inputs import picked_heads
from pages.shared.job_slot import job_slot
from pages.shared.papers import not_ours
from pages.shared.words import head_name, of_n, percent


def one_head(lm: LoadedModel, scoring: Scoring) -> None:
    """Tables 2 and 3 of the paper for a picked head."""
    heads = picked_heads()
    if not heads:
        return
    st.header("One head: digits and carries")
    head = st.selectbox("Head", heads, format_func=lambda h: head_name(*h), key="table head")
    settings = OneHeadSettings.read(head=head, count=OneHeadSettings.count)
    name = head_name(*settings.head)
    found = job_slot(
        lm,
        "one head",
        settings,
        f"Measuring head {name}",
        lambda p: measure_head(lm, settings.head, settings.count, p, settings.pool),
        f"Press **Measure this head** to ask {settings.count} prompts of each operation with one, two and three "
        f"digits, with and without head {name}.",
        start=st.button("Measure this head", icon=":material/play_arrow:"),
    )
    if found is not None:
        _show(lm, name, found.result, scoring)


def _show(lm: LoadedModel, name: str, measured: OneHead, scoring: Scoring) -> None:
    answers = measured.digits_frame(scoring)
    if answers.empty:
        st.info("Stopped before the first operation was measured.")
        return
    known = answers[answers["baseline"] > 0]
    left, right = st.columns(2)
    with left:
        _by_digits(lm, name, answers, known, scoring)
    with right:
        _by_kind(lm, name, measured)
    if len(known):
        worst = known.loc[known["decrease"].idxmax()]
        lost = Estimate(*(float(worst[column]) for column in ("decrease", "low", "high")))
        finding(
            lm,
            "heads",
            f"Head {name} matters most for {worst['group']}{worst['operation']}: accuracy falls from "
            f"{of_n(worst['baseline'], int(worst['count']))} to {percent(worst['ablated'])}, a relative decrease of "
            f"{share(lost)} (95% interval over prompts).",
            "one head",
        )
    st.download_button(
        "Both tables as CSV",
        measured.to_frame().to_csv(index=False),
        f"head-{name}.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )


def _by_digits(lm: LoadedModel, name: str, answers: pd.DataFrame, known: pd.DataFrame, scoring: Scoring) -> None:
    st.markdown(
        f"**By number of digits** (as in table 2): relative decrease of accuracy without {name}, "
        f"scored by {NAMES[scoring]}"
    )
    st.dataframe(_pivot(answers), key="by digits")
    unknown = [f"{digits}D" for digits in DIGITS if f"{digits}D" in set(answers["group"]) - set(known["group"])]
    if unknown:
        st.caption(f"– : the model has nothing of {' and '.join(unknown)} right, so there is nothing to decrease.")
    st.caption("Table 2: the most important head of each operation.")
    _paper(lm, 2)


def _by_kind(lm: LoadedModel, name: str, measured: OneHead) -> None:
    st.markdown(
        "**By kind of answer token** (as in table 3, two-digit prompts): relative decrease of accuracy "
        f"without {name}, and of how many tokens"
    )
    if measured.by_kind:
        st.dataframe(_with_counts(measured.kinds_frame()), key="by kind")
        st.caption(_lengths(measured.answer_lengths))
    st.caption(
        "memorize: no carry or borrow reaches any digit of the token. change-one: one does "
        "(for * and /: every token but the one with the last digit)."
    )
    st.caption("Table 3: the same heads.")
    _paper(lm, 3)


def _lengths(lengths: dict[int, int]) -> str:
    """How many tokens the answers have, and whether the numbers compare with the paper's."""
    shares = ", ".join(f"{count:,} of {n} token{'s' * (n != 1)}" for n, count in lengths.items())
    text = f"With this tokenizer the answers are {shares}."
    if set(lengths) == {1}:
        text += " A whole answer is one token, so for * and / all are memorize."
    return text + (
        " Numbers of two models compare only where their tokenizers cut numbers alike: Llama-7B has one digit a token, "
        "and a token of several digits is change-one when a carry reaches any of them."
    )


def _with_counts(frame: pd.DataFrame) -> pd.DataFrame:
    """Decrease and count in one cell; a kind that an operation does not have stays empty."""
    cells = [f"{percent(row.decrease)} ({row.count:,})" for row in frame.itertuples(index=False)]
    wide = frame.assign(cell=cells).pivot(index="group", columns="operation", values="cell")
    return wide[[o for o in OPERATIONS if o in wide]].fillna("")


def _pivot(frame: pd.DataFrame) -> pd.DataFrame:
    wide = frame.pivot(index="group", columns="operation", values="decrease")
    return wide[[o for o in OPERATIONS if o in wide]].map(percent)


def _paper(lm: LoadedModel, number: int) -> None:
    not_ours(SOURCE, model_of(lm), LLAMA)
    st.dataframe(paper.frame(number).map(lambda v: f"{v}%"))
