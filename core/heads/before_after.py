"""Answers and accuracy with and without some heads, side by side."""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import fmean

import pandas as pd

from core.forward.answers import SCORINGS, Scoring, greedy_tokens, question, verdicts
from core.forward.generate import continue_greedily
from core.hooks import ScaleHead, check_head, intervene
from core.model.load import LoadedModel
from core.progress import Progress, Stopped, silent
from core.prompts.arithmetic import OPERATIONS, make_prompts
from core.types import Head

#: The most tokens of an answer.
TOKENS = 8
DIGITS = 2


@dataclass(frozen=True)
class Answer:
    """What the model answers to a prompt, with all heads and without some."""

    prompt: str
    before: str
    after: str


@dataclass(frozen=True)
class OperationAccuracy:
    """Share of right cases over two-digit prompts of an operation, with all heads and without some.

    `count` are the cases: answer tokens, or whole answers.
    """

    operation: str
    scoring: Scoring
    before: float
    after: float
    count: int


@dataclass(frozen=True)
class BeforeAfter:
    """Answers to a person's prompts, and accuracy by operation."""

    answers: tuple[Answer, ...]
    accuracy: tuple[OperationAccuracy, ...]

    def to_frame(self) -> pd.DataFrame:
        """One row per prompt: prompt, before, after, same (whether both answers are)."""
        rows = [(a.prompt, a.before, a.after, a.before == a.after) for a in self.answers]
        return pd.DataFrame(rows, columns=["prompt", "before", "after", "same"])

    def accuracy_frame(self, scoring: Scoring = "answers") -> pd.DataFrame:
        """One row per operation: operation, before, after, count (cases)."""
        rows = [(a.operation, a.before, a.after, a.count) for a in self.accuracy if a.scoring == scoring]
        return pd.DataFrame(rows, columns=["operation", "before", "after", "count"])


def before_and_after(
    lm: LoadedModel,
    heads: Sequence[Head],
    prompts: Sequence[str],
    count: int = 50,
    progress: Progress = silent,
    pool: str = "inverse tables",
) -> BeforeAfter:
    """Asks every prompt, and two-digit prompts of every operation, with all heads and without some.

    Answers are greedy: the most likely token each time. Accuracy is measured for every scoring.

    Args:
        lm: the model.
        heads: (layer, head) of those that are set to zero.
        prompts: texts.
        count: prompts of each operation.
        progress: called after every prompt and operation; when it raises `Stopped`, what is measured is returned.
        pool: the operands of - and /, as of `make_prompts`.

    Raises:
        UserError: for a head that does not exist, or a prompt that the model cannot take.
    """
    for head in heads:
        check_head(lm, *head)
    ablated = [ScaleHead(layer, head, 0.0) for layer, head in heads]
    answers: list[Answer] = []
    accuracy: list[OperationAccuracy] = []
    total = len(prompts) + len(OPERATIONS)
    with suppress(Stopped):
        for prompt in prompts:
            before = _answer(lm, prompt)
            with intervene(lm, *ablated):
                answers.append(Answer(prompt, before, _answer(lm, prompt)))
            progress(len(answers), total)
        for number, operation in enumerate(OPERATIONS):
            questions = [question(lm, p) for p in make_prompts([operation], [DIGITS], count=count, pool=pool)]
            found = greedy_tokens(lm, questions, beyond=True)
            with intervene(lm, *ablated):
                without = greedy_tokens(lm, questions, beyond=True)
            for scoring in SCORINGS:
                right, left = (verdicts(lm, questions, tokens, scoring) for tokens in (found, without))
                accuracy.append(OperationAccuracy(operation, scoring, fmean(right), fmean(left), len(right)))
            progress(len(prompts) + number + 1, total)
    return BeforeAfter(tuple(answers), tuple(accuracy))


def _answer(lm: LoadedModel, prompt: str) -> str:
    return lm.decode([i for i in continue_greedily(lm, prompt, TOKENS) if i not in lm.ends])
