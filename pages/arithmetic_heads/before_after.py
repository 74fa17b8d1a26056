"""Answers and accuracy without the picked heads, beside the original ones."""

import pandas as pd
import streamlit as st

from core.forward.answers import Scoring
from core.heads.before_after import BeforeAfter, before_and_after
from core.hooks import check_head
from core.model.load import LoadedModel
from pages.arithmetic_heads.scoring import NAMES
from pages.arithmetic_heads.settings import BeforeAfterSettings
from pages.shared.claims.badge import finding
from pages.shared.inputs import picked_heads, usable_prompts
from pages.shared.job_slot import job_slot
from pages.shared.words import head_name, listed, of_n

MOST = 60


def answers_before_and_after(lm: LoadedModel, scoring: Scoring) -> None:
    """Answers to a list of prompts and accuracy of every operation, with all heads and without the picked ones."""
    st.header("Answers without the picked heads")
    heads = picked_heads()
    if not heads:
        st.info(
            "Pick heads: click them in the heatmap, or choose them in the sidebar under *Heads to ablate*.",
            icon=":material/ads_click:",
        )
        return
    for head in heads:
        check_head(lm, *head)
    text = st.text_area(
        "One prompt per line",
        "\n".join(BeforeAfterSettings.prompts),
        height=120,
        **BeforeAfterSettings.bound("prompts"),
    )
    prompts = usable_prompts(lm, text, MOST, 8)
    if not prompts:
        return
    settings = BeforeAfterSettings.read(heads=tuple(heads), prompts=tuple(prompts))
    names = listed([head_name(*h) for h in heads])
    found = job_slot(
        lm,
        "before after",
        settings,
        f"Answering with and without {names}",
        lambda p: before_and_after(lm, settings.heads, settings.prompts, pool=settings.pool, progress=p),
        "",
        start="auto",
    )
    if found is not None:
        _show(lm, names, found.result, scoring)


def _show(lm: LoadedModel, names: str, result: BeforeAfter, scoring: Scoring) -> None:
    without = f"without {names}"
    left, right = st.columns([3, 2])
    frame = result.to_frame()
    answers = frame[["prompt"]].assign(
        **{
            "all heads": frame["before"],
            without: frame["after"],
            "the answer": frame["same"].map({True: "same", False: "changed"}),
        }
    )
    with left:
        st.dataframe(answers, hide_index=True)
        changed = int((~frame["same"]).sum())
        finding(lm, "heads", f"Without {names}, {changed} of {len(frame)} answers change.", "heads before and after")
    with right:
        st.dataframe(_accuracy(result, without, scoring))
        st.caption(f"Accuracy over two-digit prompts of each operation (last template), scored by {NAMES[scoring]}.")
    st.download_button(
        "Answers as CSV",
        answers.to_csv(index=False),
        "answers.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )


def _accuracy(result: BeforeAfter, without: str, scoring: Scoring) -> pd.DataFrame:
    rows = {
        f"2D{one.operation}": {"all heads": of_n(one.before, one.count), without: of_n(one.after, one.count)}
        for one in result.accuracy_frame(scoring).itertuples()
    }
    return pd.DataFrame(rows, index=["all heads", without]).T
