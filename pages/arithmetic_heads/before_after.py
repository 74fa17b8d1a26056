"""What does the model answer with the picked heads off? Side by side."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.forward.answers import are_right, question
from core.forward.generate import continue_greedily
from core.hooks import ScaleHead, check_head, intervene
from core.model.load import LoadedModel
from core.progress import Progress
from core.prompts.arithmetic import OPERATIONS, make_prompts
from pages.shared.prompts import usable_prompts
from pages.shared.resources import board, model_key, session_id
from pages.shared.sidebar import picked_heads
from pages.shared.waiting import outcome, wait_for
from pages.shared.words import head_name, listed, of_n

DEFAULT = "3+5=\n9-2=\n6*7=\n56/8=\n34+28=\n92-47=\n17*5=\n96/8="
MOST = 60
Head = tuple[int, int]


@dataclass(frozen=True)
class BeforeAfter:
    """Greedy answers and accuracies (a share, by operation, of so many asked) with heads on and off."""

    prompts: list[str]
    before: list[str]
    after: list[str]
    accuracy_before: dict[str, float]
    accuracy_after: dict[str, float]
    asked: dict[str, int]


def before_and_after(lm: LoadedModel) -> None:
    """Answers to a list of prompts and accuracy of every operation, heads on and off."""
    st.header("Turn heads off")
    heads = picked_heads()
    if not heads:
        st.info(
            "Pick heads: click them in the heatmap, or choose them in the sidebar under *Heads to turn off*.",
            icon=":material/ads_click:",
        )
        return
    for head in heads:
        check_head(lm, *head)
    text = st.text_area("Prompts, one a line", DEFAULT, key="questions", bind="query-params", height=120)
    prompts = usable_prompts(lm, text, MOST, 8)
    if not prompts:
        return
    key = ("before after", *model_key(lm), tuple(heads), tuple(prompts))
    names = listed([head_name(*h) for h in heads])
    job = st.session_state.get("before after job")
    again = job is not None and job.state in ("stopped", "failed") and st.button("Ask again", icon=":material/refresh:")
    if job is None or job.key != key or again:  # a stopped job is not started again by itself
        title = f"Asking with and without {names}"
        job = board().submit(key, title, lambda p: measure(lm, heads, prompts, p), session_id())
        st.session_state["before after job"] = job
    wait_for(job)
    result = outcome(job)
    if isinstance(result, BeforeAfter):
        _show(names, result)


def measure(lm: LoadedModel, heads: Sequence[Head], prompts: list[str], progress: Progress) -> BeforeAfter:
    """Asks every prompt with the heads on and off."""
    total, done = 2 * (len(prompts) + len(OPERATIONS)), 0
    sets = {f"2D{operation}": make_prompts([operation], [2], count=50) for operation in OPERATIONS}

    def both() -> tuple[list[str], dict[str, float]]:
        nonlocal done
        answers, accuracies = [], {}
        for prompt in prompts:
            answers.append(lm.decode([i for i in continue_greedily(lm, prompt, 8) if i not in lm.ends]))
            progress(done := done + 1, total)
        for name, some in sets.items():
            right = are_right(lm, [question(lm, p) for p in some])
            accuracies[name] = sum(right) / len(right)
            progress(done := done + 1, total)
        return answers, accuracies

    before, accuracy_before = both()
    with intervene(lm, *(ScaleHead(layer, head, 0.0) for layer, head in heads)):
        after, accuracy_after = both()
    return BeforeAfter(
        prompts, before, after, accuracy_before, accuracy_after, {name: len(some) for name, some in sets.items()}
    )


def _show(names: str, result: BeforeAfter) -> None:
    off = f"without {names}"
    left, right = st.columns([3, 2])
    answers = pd.DataFrame({"prompt": result.prompts, "all heads on": result.before, off: result.after})
    same = answers["all heads on"] == answers[off]
    answers["the answer"] = same.map({True: "same", False: "changed"})
    with left:
        st.dataframe(answers, hide_index=True)
        st.markdown(f"Without {names}, {int((~same).sum())} of {len(answers)} answers change.")
    with right:
        accuracy = pd.DataFrame(
            {
                name: {group: of_n(share, result.asked[group]) for group, share in shares.items()}
                for name, shares in (("all heads on", result.accuracy_before), (off, result.accuracy_after))
            }
        )
        st.dataframe(accuracy)
        st.caption("Accuracy over two-digit prompts of each operation (greedy exact match, last template).")
    st.download_button(
        "Answers as CSV",
        answers.to_csv(index=False),
        "answers.csv",
        "text/csv",
        on_click="ignore",
        icon=":material/download:",
    )
