"""Accuracy without one head, by number of digits and by kind of answer token (CNA tables 2 and 3).

Which calculations need the head? As in a sweep, a large decrease says that the answer needs the head, not that the
head computes it.

Table 3 of two models compares only where their tokenizers cut numbers alike: a token of three digits is change-one when
a carry reaches any of them, so there are more change-one tokens, and each is harder than a digit.
`OneHead.answer_lengths` says how many tokens the answers have.
"""

from collections import Counter
from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from statistics import fmean

import pandas as pd
import torch

from core.forward.answers import (
    SCORINGS,
    Question,
    Scoring,
    greedy_tokens,
    question,
    right_tokens,
    token_cases,
    verdicts,
)
from core.hooks import ScaleHead, check_head, intervene
from core.model.load import LoadedModel
from core.progress import Progress, Stopped, silent
from core.prompts.arithmetic import OPERATIONS, make_prompts
from core.statistics.intervals import Estimate, paired_decrease
from core.types import Head

DIGITS = (1, 2, 3)
#: Memorize and change-one tokens are compared in answers to prompts with this many digits (CNA §3.4).
DIGITS_OF_KINDS = 2


@dataclass(frozen=True)
class GroupAccuracy:
    """Accuracy of one group of cases of one operation.

    Attributes:
        operation: of the prompts.
        group: "1D" to "3D", or "memorize" or "change-one".
        baseline: accuracy with all heads.
        ablated: accuracy without the head.
        count: cases: answer tokens, or whole answers.
        decrease: relative, with its interval over prompts.
    """

    operation: str
    group: str
    baseline: float
    ablated: float
    count: int
    decrease: Estimate


@dataclass(frozen=True)
class OneHead:
    """Accuracy with and without one head.

    Attributes:
        head: layer and index.
        by_digits: the groups "1D" to "3D" of each operation, for every scoring.
        by_kind: memorize and change-one tokens of each operation.
        answer_lengths: how many prompts of `by_kind` have an answer of so many visible tokens.
    """

    head: Head
    by_digits: dict[Scoring, tuple[GroupAccuracy, ...]]
    by_kind: tuple[GroupAccuracy, ...]
    answer_lengths: dict[int, int]

    def digits_frame(self, scoring: Scoring = "answers") -> pd.DataFrame:
        """By number of digits: operation, group, baseline, ablated, count, decrease (relative), low, high."""
        return _frame(self.by_digits[scoring])

    def kinds_frame(self) -> pd.DataFrame:
        """By kind of answer token, with the same columns."""
        return _frame(self.by_kind)

    def to_frame(self) -> pd.DataFrame:
        """All of it, distinguished by a column `of`: a scoring, or "kinds"."""
        tables = [self.digits_frame(scoring).assign(of=scoring) for scoring in SCORINGS]
        tables.append(self.kinds_frame().assign(of="kinds"))
        return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def _frame(rows: Iterable[GroupAccuracy]) -> pd.DataFrame:
    columns = ["operation", "group", "baseline", "ablated", "count"]
    told = [
        [*(getattr(row, name) for name in columns), row.decrease.value, row.decrease.low, row.decrease.high]
        for row in rows
    ]
    return pd.DataFrame(told, columns=[*columns, "decrease", "low", "high"])


def measure_head(
    lm: LoadedModel, head: Head, count: int = 100, progress: Progress = silent, pool: str = "inverse tables"
) -> OneHead:
    """Asks prompts of every operation with one, two and three digits, with and without a head.

    Args:
        lm: the model.
        head: layer and index.
        count: prompts for each operation and number of digits.
        progress: called after each of them; when it raises `Stopped`, those measured so far are returned.
        pool: the operands of - and /, as of `make_prompts`.

    Raises:
        UserError: for a head that does not exist, or a word that the model does not know.
    """
    check_head(lm, *head)
    by_digits: dict[Scoring, list[GroupAccuracy]] = {scoring: [] for scoring in SCORINGS}
    by_kind: list[GroupAccuracy] = []
    lengths: Counter[int] = Counter()
    groups = [(operation, digits) for operation in OPERATIONS for digits in DIGITS]
    with suppress(Stopped):
        for number, (operation, digits) in enumerate(groups):
            questions = [question(lm, p) for p in make_prompts([operation], [digits], count=count, pool=pool)]
            before = greedy_tokens(lm, questions, beyond=True)
            with intervene(lm, ScaleHead(*head, 0.0)):
                after = greedy_tokens(lm, questions, beyond=True)
            cases = [case.number for case in token_cases(lm, questions)]
            for scoring, rows in by_digits.items():
                right, ablated = (verdicts(lm, questions, found, scoring) for found in (before, after))
                units = cases if scoring == "tokens" else range(len(questions))
                rows.append(_group(operation, f"{digits}D", right, ablated, units))
            if digits == DIGITS_OF_KINDS:
                by_kind += _kinds(lm, operation, questions, before, after)
                lengths.update(sum(not lm.is_blank(token) for token in q.answer) for q in questions)
            progress(number + 1, len(groups))
    kept = {scoring: tuple(rows) for scoring, rows in by_digits.items()}
    return OneHead(head, kept, tuple(by_kind), dict(sorted(lengths.items())))


def _group(
    operation: str, group: str, right: Sequence[bool], ablated: Sequence[bool], units: Sequence[int]
) -> GroupAccuracy:
    """A group of its cases' verdicts; `units` says which prompt each case is of."""
    decrease = paired_decrease(torch.tensor(right), torch.tensor(ablated), units)
    return GroupAccuracy(operation, group, fmean(right), fmean(ablated), len(right), decrease)


def _kinds(
    lm: LoadedModel,
    operation: str,
    questions: Sequence[Question],
    before: Sequence[list[int]],
    after: Sequence[list[int]],
) -> list[GroupAccuracy]:
    groups = []
    for kind in ("memorize", "change-one"):
        cases = [case for case in token_cases(lm, questions) if case.kind == kind]
        if cases:
            right, ablated = right_tokens(cases, before), right_tokens(cases, after)
            groups.append(_group(operation, kind, right, ablated, [case.number for case in cases]))
    return groups
