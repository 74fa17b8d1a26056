"""Accuracy without one head, by number of digits and by kind of digit (CNA tables 2 and 3).

Which calculations need the head? As in a sweep, a large decrease says that the answer needs the head, not that the
head computes it.
"""

from collections.abc import Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd

from core.forward.answers import Question, digit_accuracy, greedy_tokens, question
from core.hooks import ScaleHead, check_head, intervene
from core.metrics import relative
from core.model.load import LoadedModel
from core.progress import Progress, Stopped, silent
from core.prompts.arithmetic import OPERATIONS, make_prompts
from core.types import Head

DIGITS = (1, 2, 3)
#: Memorize and change-one digits are compared in answers to prompts with this many digits (CNA §3.4).
DIGITS_OF_KINDS = 2


@dataclass(frozen=True)
class GroupAccuracy:
    """Accuracy of one group of answers, or of digits, of one operation.

    Attributes:
        operation: of the prompts.
        group: "1D" to "3D" for whole answers; "memorize" or "change-one" for single digits.
        baseline: accuracy with all heads.
        ablated: accuracy without the head.
        count: prompts, or digits.
    """

    operation: str
    group: str
    baseline: float
    ablated: float
    count: int


@dataclass(frozen=True)
class OneHead:
    """Accuracy with and without one head; `by_kind` is empty where a token holds more than one digit."""

    head: Head
    by_digits: tuple[GroupAccuracy, ...]
    by_kind: tuple[GroupAccuracy, ...]

    def digits_frame(self) -> pd.DataFrame:
        """Whole answers: operation, group, baseline, ablated, count, decrease (relative)."""
        return _frame(self.by_digits)

    def kinds_frame(self) -> pd.DataFrame:
        """Single digits, with the same columns."""
        return _frame(self.by_kind)

    def to_frame(self) -> pd.DataFrame:
        """Both, distinguished by a column `of`: answers or digits."""
        tables = [self.digits_frame().assign(of="answers"), self.kinds_frame().assign(of="digits")]
        return pd.concat([table for table in tables if len(table)] or tables[:1], ignore_index=True)


def _frame(rows: Iterable[GroupAccuracy]) -> pd.DataFrame:
    columns = ["operation", "group", "baseline", "ablated", "count"]
    frame = pd.DataFrame([[getattr(row, name) for name in columns] for row in rows], columns=columns)
    return frame.assign(decrease=[relative(a, b) for a, b in zip(frame["baseline"], frame["ablated"], strict=True)])


def measure_head(lm: LoadedModel, head: Head, count: int = 100, progress: Progress = silent) -> OneHead:
    """Asks prompts of every operation with one, two and three digits, with and without a head.

    Args:
        lm: the model.
        head: layer and index.
        count: prompts for each operation and number of digits.
        progress: called after each of them; when it raises `Stopped`, those measured so far are returned.

    Raises:
        UserError: for a head that does not exist, or a word that the model does not know.
    """
    check_head(lm, *head)
    by_digits: list[GroupAccuracy] = []
    by_kind: list[GroupAccuracy] = []
    groups = [(operation, digits) for operation in OPERATIONS for digits in DIGITS]
    with suppress(Stopped):
        for number, (operation, digits) in enumerate(groups):
            questions = [question(lm, p) for p in make_prompts([operation], [digits], count=count)]
            before = greedy_tokens(lm, questions)
            with intervene(lm, ScaleHead(*head, 0.0)):
                after = greedy_tokens(lm, questions)
            shares = _accuracy(questions, before), _accuracy(questions, after)
            by_digits.append(GroupAccuracy(operation, f"{digits}D", *shares, len(questions)))
            if digits == DIGITS_OF_KINDS:
                by_kind += _kinds(operation, questions, before, after)
            progress(number + 1, len(groups))
    return OneHead(head, tuple(by_digits), tuple(by_kind))


def _accuracy(questions: Sequence[Question], found: Sequence[list[int]]) -> float:
    return sum(tokens == q.answer for tokens, q in zip(found, questions, strict=True)) / len(questions)


def _kinds(
    operation: str, questions: Sequence[Question], before: Sequence[list[int]], after: Sequence[list[int]]
) -> list[GroupAccuracy]:
    first, second = digit_accuracy(questions, before), digit_accuracy(questions, after)
    rows = zip(first["kind"], first["accuracy"], second["accuracy"], first["count"], strict=True)
    return [GroupAccuracy(operation, kind, float(a), float(b), int(n)) for kind, a, b, n in rows]
