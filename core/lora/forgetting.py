"""Forgetting: what the base model knew and no longer knows with an adapter.

The models are asked what the adapters of `core.lora.series` are not trained on (two-digit
arithmetic): every one-digit case of + - * / (with a first operand of one digit: 72 / 8 has two), which of two
given numbers is meant, facts, and plain sentences. Accuracy is greedy exact match of the whole
answer. *Choice*: forgetting is the relative decrease of accuracy, (base - adapted) / base,
averaged over arithmetic, retrieval and facts, where a gain counts as 0; sentences are reported
separately, as the log-probability per token. These are small sets: a score of 0 does not mean
that nothing else was lost.
"""

import hashlib
import json
from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd
import torch

from core.disk_cache import cached
from core.edits.side_effects import SideEffectPrompts, noting, side_effect_scores
from core.errors import UserError
from core.forward.answers import Question, are_right
from core.mediation.draw import question_of
from core.mediation.templates import Draft, every_fact, retrieval_drafts
from core.metrics import relative
from core.model.load import LoadedModel
from core.neurons.compare import check_comparable
from core.progress import Progress, Stopped, silent
from core.prompts.arithmetic import OPERATIONS

ARITHMETIC, RETRIEVAL, FACTS = "1-digit arithmetic", "number retrieval", "facts"


#: What the score is averaged over.
TASKS = (ARITHMETIC, RETRIEVAL, FACTS)


#: Parts of the arithmetic, reported beside it.
PARTS = {operation: f"1-digit {operation}" for operation in OPERATIONS}


N_RETRIEVAL = 100


@dataclass(frozen=True)
class Exam:
    """The questions that every model is asked: the same tokens, since all share a tokenizer.

    Attributes:
        side_effect_prompts: one-digit arithmetic and plain sentences.
        questions: of the other tasks.
        left_out: texts that the model cannot take.
    """

    side_effect_prompts: SideEffectPrompts
    questions: dict[str, tuple[Question, ...]]
    left_out: tuple[str, ...]

    @classmethod
    def of(cls, lm: LoadedModel) -> "Exam":
        """Tokenises everything for a model; what it cannot take is left out and listed."""
        side_effect_prompts = SideEffectPrompts.of(lm, digits=(1,), count=None, others=(), pool="within digits")
        left = list(side_effect_prompts.left_out)
        questions = {
            RETRIEVAL: _known(lm, retrieval_drafts(N_RETRIEVAL), left),
            FACTS: _known(lm, every_fact(), left),
        }
        return cls(side_effect_prompts, questions, tuple(left))

    @property
    def counts(self) -> dict[str, int]:
        """How many questions each task has."""
        operations = self.side_effect_prompts.operations
        parts = {name: operations.count(o) for o, name in PARTS.items()}
        return {ARITHMETIC: len(operations), **parts, **{task: len(some) for task, some in self.questions.items()}}

    def digest(self) -> str:
        """A hash of all that is asked."""
        asked = [
            [q.ids, q.answer] for some in (self.side_effect_prompts.questions, *self.questions.values()) for q in some
        ]
        texts = [[sentence.ids, sentence.answer] for sentence in self.side_effect_prompts.sentences]
        return hashlib.sha256(json.dumps([asked, texts]).encode()).hexdigest()[:16]


def _known(lm: LoadedModel, drafts: Sequence[Draft], left: list[str]) -> tuple[Question, ...]:
    found = []
    for draft in drafts:
        with noting(left, draft.text):
            found.append(question_of(lm, draft))
    return tuple(found)


@dataclass(frozen=True)
class Knowledge:
    """What one model knows.

    Attributes:
        accuracy: share of right answers by task; NaN where nothing could be asked.
        neutral: mean log-probability per token of plain sentences (nats).
    """

    accuracy: dict[str, float]
    neutral: float


@dataclass(frozen=True)
class Forgetting:
    """What each adapter makes a model forget.

    Attributes:
        counts: questions of each task.
        base: the model without an adapter.
        adapted: with the adapter of each layer that was measured.
        left_out: texts that the model cannot take.
    """

    counts: dict[str, int]
    base: Knowledge
    adapted: dict[int, Knowledge]
    left_out: tuple[str, ...]

    def lost(self, layer: int, task: str) -> float:
        """Relative decrease of a task's accuracy (1 is everything, negative a gain); NaN where the base scores 0."""
        return relative(self.base.accuracy[task], self.adapted[layer].accuracy[task])

    def score(self, layer: int) -> float:
        """Forgetting: the mean loss over the tasks in which the base scores above 0; a gain counts as 0."""
        found = [max(0.0, self.lost(layer, task)) for task in self.known]
        return sum(found) / len(found) if found else float("nan")

    @property
    def known(self) -> list[str]:
        """The tasks in which the base scores above 0."""
        return [task for task in TASKS if self.base.accuracy[task] > 0]

    def to_frame(self) -> pd.DataFrame:
        """One row per layer and task: layer, task, accuracy, base, forgotten (0 to 1), n."""
        rows = [
            (layer, task, there.accuracy[task], self.base.accuracy[task], self.lost(layer, task), n)
            for layer, there in self.adapted.items()
            for task, n in self.counts.items()
        ]
        return pd.DataFrame(rows, columns=["layer", "task", "accuracy", "base", "forgotten", "n"])


def forgetting(lm: LoadedModel, adapted: Mapping[int, LoadedModel], progress: Progress = silent) -> Forgetting:
    """Asks the base model and each adapted one the same questions; results are kept on disk.

    Args:
        lm: the base model.
        adapted: models with one adapter, by its layer.
        progress: called after every model; when it raises `Stopped`, the adapters so far are returned.

    Raises:
        UserError: for no adapters, or models that cannot be compared.
        Stopped: when no adapter was measured yet.
    """
    if not adapted:
        raise UserError("There is no adapter to measure. Train one first.")
    for other in adapted.values():
        check_comparable(lm, other)
    exam = Exam.of(lm)
    base = knowledge(lm, exam)
    found: dict[int, Knowledge] = {}
    with suppress(Stopped):
        progress(1, len(adapted) + 1)
        for layer in sorted(adapted):
            found[layer] = knowledge(adapted[layer], exam)
            progress(len(found) + 1, len(adapted) + 1)
    if not found:
        raise Stopped
    return Forgetting(exam.counts, base, found, exam.left_out)


def knowledge(lm: LoadedModel, exam: Exam) -> Knowledge:
    """What one model knows, from disk where it was measured before."""
    names = list(exam.counts)

    def compute() -> dict[str, torch.Tensor]:
        now = side_effect_scores(lm, exam.side_effect_prompts)
        shares = {ARITHMETIC: now.accuracy["all"], **{name: now.accuracy[o] for o, name in PARTS.items()}}
        for task, questions in exam.questions.items():
            right = are_right(lm, questions)
            shares[task] = sum(right) / len(right) if right else float("nan")
        return {
            "accuracy": torch.tensor([shares[name] for name in names], dtype=torch.float64),
            "neutral": torch.tensor(now.neutral, dtype=torch.float64),
        }

    key = {
        "fingerprint": lm.fingerprint,
        "precision": lm.precision,
        "device": lm.device.type,
        "what": "knowledge, numbers end",
        "asked": exam.digest(),
    }
    measured = cached(key, compute)
    return Knowledge(dict(zip(names, measured["accuracy"].tolist(), strict=True)), float(measured["neutral"]))
