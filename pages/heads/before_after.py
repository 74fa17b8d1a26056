"""What does the model answer with the picked heads off? Side by side."""

from dataclasses import dataclass

import pandas as pd
import streamlit as st

from core.answers import are_right, continue_greedily, question
from core.arithmetic import OPERATIONS, make_prompts
from core.hooks import ScaleHead, check_head, intervene
from core.model import LoadedModel
from pages.shared.sidebar import picked_heads
from pages.shared.words import head_name, listed, percent

DEFAULT = "3+5=\n9-2=\n6*7=\n56/8=\n34+28=\n92-47=\n17*5=\n96/8="
MOST = 60


@dataclass(frozen=True)
class Answer:
    """A greedy answer, and how sure its first token was."""

    text: str
    tokens: list[int]


def before_and_after(lm: LoadedModel) -> None:
    """Answers to a list of prompts and accuracy of every operation, heads on and off."""
    st.header("Turn heads off")
    heads = picked_heads()
    if not heads:
        st.info("Pick heads: click them in the heatmap, or choose them in the sidebar under *Heads to turn off*.",
                icon=":material/ads_click:")  # fmt: skip
        return
    for head in heads:
        check_head(lm, *head)
    names = listed([head_name(*h) for h in heads])
    text = st.text_area("Prompts, one a line", DEFAULT, key="questions", bind="query-params", height=120)
    prompts = [line.strip() for line in text.splitlines() if line.strip()][:MOST]
    edits = [ScaleHead(layer, head, 0.0) for layer, head in heads]
    before = [_answer(lm, p) for p in prompts]
    with intervene(lm, *edits):
        after = [_answer(lm, p) for p in prompts]
        accuracy_after = _accuracies(lm)
    rows = [
        (p, b.text, a.text, "changed" if a.tokens != b.tokens else "same")
        for p, b, a in zip(prompts, before, after, strict=True)
    ]
    left, right = st.columns([3, 2])
    with left:
        frame = pd.DataFrame(rows, columns=["prompt", "all heads on", f"without {names}", "the answer"])
        st.dataframe(frame, hide_index=True)
        changed = sum(row[3] == "changed" for row in rows)
        st.markdown(f"Without {names}, {changed} of {len(rows)} answers change.")
    with right:
        accuracy = pd.DataFrame({"all heads on": _accuracies(lm), f"without {names}": accuracy_after})
        st.dataframe(accuracy.map(percent))
        st.caption("Accuracy over 50 two-digit prompts of each operation (greedy exact match, last template).")
    st.download_button("Answers as CSV", frame.to_csv(index=False), "answers.csv", "text/csv", on_click="ignore",
                       icon=":material/download:")  # fmt: skip


def _answer(lm: LoadedModel, prompt: str) -> Answer:
    ids = continue_greedily(lm, prompt, 8)
    kept = [i for i in ids if i != lm.tokenizer.eos_token_id]
    return Answer(lm.decode(kept), ids)


def _accuracies(lm: LoadedModel) -> dict[str, float]:
    """Accuracy by operation, inside or outside an intervene block."""
    out = {}
    for operation in OPERATIONS:
        right = are_right(lm, [question(lm, p) for p in make_prompts([operation], [2], count=50)])
        out[f"2D{operation}"] = sum(right) / len(right)
    return out
