"""What does one head mean for 1, 2 and 3 digits, and for memorized or carried digits?"""

from typing import Any

import pandas as pd
import streamlit as st

from core import paper
from core.forward.answers import Question, digit_accuracy, greedy_tokens, question
from core.hooks import ScaleHead, intervene
from core.metrics import relative
from core.model.load import LoadedModel
from core.progress import Progress
from core.prompts.arithmetic import OPERATIONS, make_prompts
from pages.shared.job_slot import job_slot
from pages.shared.sidebar import picked_heads
from pages.shared.words import head_name, of_n, percent

COUNT = 100


def one_head(lm: LoadedModel) -> None:
    """Tables 2 and 3 of the paper for a picked head."""
    heads = picked_heads()
    if not heads:
        return
    st.header("One head: digits and carries")
    head = st.selectbox("Head", heads, format_func=lambda h: head_name(*h), key="table head")
    found = job_slot(
        lm,
        "one head",
        head,
        f"Measuring head {head_name(*head)}",
        lambda p: measure(lm, head, p),
        f"Press **Measure this head** to ask {COUNT} prompts of each operation with 1, 2 and 3 digits, with head "
        f"{head_name(*head)} on and off.",
        start=st.button("Measure this head", icon=":material/play_arrow:"),
    )
    if found is not None:
        _show(head_name(*head), *found.result)


def measure(lm: LoadedModel, head: tuple[int, int], progress: Progress) -> tuple[pd.DataFrame, pd.DataFrame]:
    """Accuracy by operation and digits, and by kind of digit, with one head on and off."""
    asked = [(o, d) for o in OPERATIONS for d in (1, 2, 3)]
    rows, kinds = [], []
    for number, (operation, digits) in enumerate(asked):
        prompts = make_prompts([operation], [digits], count=COUNT)
        questions = [question(lm, p) for p in prompts]
        before, kinds_before = _both(lm, questions)
        with intervene(lm, ScaleHead(*head, 0.0)):
            after, kinds_after = _both(lm, questions)
        rows.append((operation, f"{digits}D", before, after, relative(before, after), len(prompts)))
        if digits == 2:
            kinds.append(kinds_before.assign(operation=operation, off=kinds_after["accuracy"]))
        progress(number + 1, len(asked))
    table = pd.DataFrame(rows, columns=["operation", "digits", "all on", "head off", "decrease", "prompts"])
    by_kind = pd.concat(kinds, ignore_index=True)
    by_kind["decrease"] = [relative(a, b) for a, b in zip(by_kind["accuracy"], by_kind["off"], strict=True)]
    return table, by_kind


def _both(lm: LoadedModel, questions: list[Question]) -> tuple[float, pd.DataFrame]:
    found = greedy_tokens(lm, questions)
    right = sum(tokens == q.answer for tokens, q in zip(found, questions, strict=True))
    return right / len(questions), digit_accuracy(questions, found)


def _show(name: str, table: pd.DataFrame, by_kind: pd.DataFrame) -> None:
    known = table[table["all on"] > 0]
    left, right = st.columns(2)
    with left:
        st.markdown(f"**By number of digits** (like table 2): relative decrease without {name}")
        st.dataframe(_pivot(table, "digits"), key="by digits")
        unknown = sorted(set(table["digits"]) - set(known["digits"]))
        if unknown:
            st.caption(
                f"– : the model answers no {' and no '.join(unknown)} prompt right, so there is nothing to decrease."
            )
        st.caption("Llama-7B in the paper, each operation's own top head (their numbers):")
        st.dataframe(_paper(2))
    with right:
        st.markdown(f"**By kind of digit** (like table 3, 2-digit prompts): relative decrease without {name}")
        if by_kind.empty:
            st.info("This model's tokens hold more than one digit, so digits cannot be told apart.")
        else:
            st.dataframe(_pivot(by_kind, "kind"), key="by kind")
        st.caption(
            "memorize: no carry or borrow reaches the digit; change-one: one does (* and /: all but the last digit)."
        )
        st.caption("Llama-7B in the paper (their numbers):")
        st.dataframe(_paper(3))
    if len(known):
        worst = known.loc[known["decrease"].idxmax()]
        st.markdown(
            f"Head {name} matters most for {worst['digits']}{worst['operation']}: accuracy falls from "
            f"{of_n(worst['all on'], int(worst['prompts']))} to {percent(worst['head off'])}."
        )
    st.download_button(
        "Both tables as CSV",
        pd.concat([table, by_kind]).to_csv(index=False),
        f"head-{name}.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )


def _pivot(frame: pd.DataFrame, rows: str) -> pd.DataFrame:
    wide = frame.pivot(index=rows, columns="operation", values="decrease")
    return wide[[o for o in OPERATIONS if o in wide]].map(percent)


def _paper(number: int) -> pd.DataFrame:
    table: dict[str, Any] = paper.table(number)
    return pd.DataFrame(table["rows"], index=table["columns"]).T.map(lambda v: f"{v}%")
