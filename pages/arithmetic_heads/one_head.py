"""One picked head by number of digits and by kind of digit, beside tables 2 and 3 of the paper."""

import pandas as pd
import streamlit as st

from core import paper
from core.heads.one_head import DIGITS, OneHead, measure_head
from core.model.load import LoadedModel
from core.paper.models import LLAMA, model_of
from core.paper.tables import SOURCE
from core.prompts.arithmetic import OPERATIONS
from pages.arithmetic_heads.settings import OneHeadSettings
from pages.shared.inputs import picked_heads
from pages.shared.job_slot import job_slot
from pages.shared.papers import not_ours
from pages.shared.words import head_name, of_n, percent


def one_head(lm: LoadedModel) -> None:
    """Tables 2 and 3 of the paper for a picked head."""
    heads = picked_heads()
    if not heads:
        return
    st.header("One head: digits and carries")
    settings = OneHeadSettings(st.selectbox("Head", heads, format_func=lambda h: head_name(*h), key="table head"))
    name = head_name(*settings.head)
    found = job_slot(
        lm,
        "one head",
        settings,
        f"Measuring head {name}",
        lambda p: measure_head(lm, settings.head, settings.count, p),
        f"Press **Measure this head** to ask {settings.count} prompts of each operation with one, two and three "
        f"digits, with and without head {name}.",
        start=st.button("Measure this head", icon=":material/play_arrow:"),
    )
    if found is not None:
        _show(lm, name, found.result)


def _show(lm: LoadedModel, name: str, measured: OneHead) -> None:
    answers, kinds = measured.digits_frame(), measured.kinds_frame()
    if answers.empty:
        st.info("Stopped before the first operation was measured.")
        return
    known = answers[answers["baseline"] > 0]
    left, right = st.columns(2)
    with left:
        _by_digits(lm, name, answers, known)
    with right:
        _by_kind(lm, name, answers, kinds)
    if len(known):
        worst = known.loc[known["decrease"].idxmax()]
        st.markdown(
            f"Head {name} matters most for {worst['group']}{worst['operation']}: accuracy falls from "
            f"{of_n(worst['baseline'], int(worst['count']))} to {percent(worst['ablated'])}."
        )
    st.download_button(
        "Both tables as CSV",
        measured.to_frame().to_csv(index=False),
        f"head-{name}.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )


def _by_digits(lm: LoadedModel, name: str, answers: pd.DataFrame, known: pd.DataFrame) -> None:
    st.markdown(f"**By number of digits** (as in table 2): relative decrease of accuracy without {name}")
    st.dataframe(_pivot(answers), key="by digits")
    unknown = [f"{digits}D" for digits in DIGITS if f"{digits}D" in set(answers["group"]) - set(known["group"])]
    if unknown:
        st.caption(
            f"– : the model answers no {' and no '.join(unknown)} prompt correctly, so there is nothing to decrease."
        )
    st.caption("Table 2: the most important head of each operation.")
    _paper(lm, 2)


def _by_kind(lm: LoadedModel, name: str, answers: pd.DataFrame, kinds: pd.DataFrame) -> None:
    st.markdown(
        f"**By kind of digit** (as in table 3, two-digit prompts): relative decrease of accuracy without {name}"
    )
    if len(kinds):
        st.dataframe(_pivot(kinds), key="by kind")
    elif "2D" in set(answers["group"]):
        st.info("A token of this model can hold more than one digit, so its single digits cannot be measured.")
    st.caption(
        "memorize: no carry or borrow changes the digit. change-one: a carry or borrow does "
        "(for * and /: every digit but the last)."
    )
    st.caption("Table 3: the same heads.")
    _paper(lm, 3)


def _pivot(frame: pd.DataFrame) -> pd.DataFrame:
    wide = frame.pivot(index="group", columns="operation", values="decrease")
    return wide[[o for o in OPERATIONS if o in wide]].map(percent)


def _paper(lm: LoadedModel, number: int) -> None:
    not_ours(SOURCE, model_of(lm), LLAMA)
    st.dataframe(paper.frame(number).map(lambda v: f"{v}%"))
