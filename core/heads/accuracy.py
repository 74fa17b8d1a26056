"""Accuracy with each attention head ablated, one at a time: answer tokens or whole answers (CNA §3.2, §3.4).

One sweep reads every answer token and the token behind the answer, so that the cases can be scored either way
afterwards (`core.forward.answers`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from core.errors import UserError
from core.forward.ablate_heads import Read
from core.forward.answers import Question, Scoring, is_complete, question
from core.heads.sweep import SweptReads, sweep_reads
from core.kept.chunks import Chunks, not_kept
from core.metrics import relative
from core.model.load import LoadedModel
from core.progress import Progress, silent
from core.prompts.arithmetic import DigitKind, Prompt
from core.statistics.intervals import Estimate, paired_decrease


@dataclass(frozen=True)
class AccuracySweep:
    """Right or wrong answers with each head set to zero, one at a time.

    Attributes:
        prompts: the prompts, in order.
        token_prompt: for each answer token the number of its prompt.
        token_kind: memorize, change-one, or None, for each answer token.
        token_visible: whether it is a case of the scoring by tokens: blanks are not.
        token_baseline: whether the right token is the top-1 prediction with no head ablated.
        token_right: the same with each head ablated.
        ends_baseline: whether the top-1 prediction after the right answer leaves it as it is, with no head ablated.
        ends: the same with each head ablated.
        probability_baseline: probability of the answer's first token that is not blank (many
            tokenizers begin an answer with a space), with no head ablated.
        probability: with each head ablated.
        measured: which prompts were measured before a Stop.
    """

    prompts: list[Prompt]
    token_prompt: list[int]
    token_kind: list[DigitKind | None]
    token_visible: list[bool]
    token_baseline: Bool[Tensor, " token"]
    token_right: Bool[Tensor, "token layer head"]
    ends_baseline: Bool[Tensor, " prompt"]
    ends: Bool[Tensor, "prompt layer head"]
    probability_baseline: Float[Tensor, " prompt"]
    probability: Float[Tensor, "prompt layer head"]
    measured: Bool[Tensor, " prompt"]

    def right(self, scoring: Scoring = "answers") -> tuple[Bool[Tensor, " case"], Bool[Tensor, "case layer head"]]:
        """Whether each case is right, with no head ablated and with each head ablated."""
        if scoring == "tokens":
            cases = torch.tensor(self.token_visible)
            return self.token_baseline[cases], self.token_right[cases]
        baseline = self._all_tokens(self.token_baseline[:, None, None])[:, 0, 0]
        right = self._all_tokens(self.token_right)
        if scoring == "open answers":
            return baseline, right
        return baseline & self.ends_baseline, right & self.ends

    def _all_tokens(self, tokens: Tensor) -> Tensor:
        wrong = torch.zeros(len(self.prompts), *tokens.shape[1:])
        wrong.index_add_(0, torch.tensor(self.token_prompt), (~tokens).float())
        return wrong == 0

    def cases(self, chosen: Sequence[int] | None = None, scoring: Scoring = "answers") -> Bool[Tensor, " case"]:
        """Which cases belong to all or some measured prompts."""
        keep = self.measured.clone()
        if chosen is not None:
            some = torch.zeros_like(keep)
            some[list(chosen)] = True
            keep &= some
        if scoring != "tokens":
            return keep
        return keep[torch.tensor(self.token_prompt)[torch.tensor(self.token_visible)]]

    def accuracy(
        self, chosen: Sequence[int] | None = None, scoring: Scoring = "answers"
    ) -> tuple[float, Float[Tensor, "layer head"]]:
        """Accuracy with no head ablated and with each head ablated, over all or some measured prompts."""
        keep = self.cases(chosen, scoring)
        baseline, right = self.right(scoring)
        return float(baseline[keep].float().mean()), right[keep].float().mean(0)

    def decrease(
        self, layer: int, head: int, chosen: Sequence[int] | None = None, scoring: Scoring = "answers"
    ) -> Estimate:
        """Relative decrease of accuracy without one head, with its interval over prompts (paired bootstrap)."""
        keep = self.cases(chosen, scoring)
        baseline, right = self.right(scoring)
        units = torch.arange(len(self.prompts))
        if scoring == "tokens":
            units = torch.tensor(self.token_prompt)[torch.tensor(self.token_visible)]
        return paired_decrease(baseline[keep], right[keep, layer, head], units[keep].tolist())

    def probability_decrease(self, layer: int, head: int, chosen: Sequence[int] | None = None) -> Estimate:
        """Relative decrease of the mean probability of the answer's first visible token, likewise."""
        keep = self.cases(chosen)
        return paired_decrease(self.probability_baseline[keep], self.probability[keep, layer, head])

    def groups(self) -> dict[tuple[str, int], list[int]]:
        """The measured prompts by operation and number of digits."""
        found: dict[tuple[str, int], list[int]] = {}
        for i, p in enumerate(self.prompts):
            if self.measured[i]:
                found.setdefault((p.operation, p.digits), []).append(i)
        return found

    def to_frame(self, scoring: Scoring = "answers") -> pd.DataFrame:
        """One row per operation, number of digits and head.

        Columns: operation, digits, layer, head, baseline, accuracy, decrease (relative), prompts, cases, scoring.
        """
        rows = []
        for (operation, digits), members in self.groups().items():
            original, intervened = self.accuracy(members, scoring)
            n_cases = int(self.cases(members, scoring).sum())
            rows += [
                (operation, digits, layer, head, original, value, relative(original, value), len(members), n_cases)
                for layer, values in enumerate(intervened.tolist())
                for head, value in enumerate(values)
            ]
        columns = ["operation", "digits", "layer", "head", "baseline", "accuracy", "decrease", "prompts", "cases"]
        return pd.DataFrame(rows, columns=columns).assign(scoring=scoring)

    def kinds_frame(self, layer: int, head: int) -> pd.DataFrame:
        """Accuracy of memorize and change-one tokens without one head, by operation (table 3).

        Columns: operation, kind, baseline, accuracy, count (answer tokens), decrease (relative).
        """
        rows = []
        for i, kind in enumerate(self.token_kind):
            if kind is not None and self.measured[self.token_prompt[i]]:
                prompt = self.prompts[self.token_prompt[i]]
                with_it, without = bool(self.token_baseline[i]), bool(self.token_right[i, layer, head])
                rows.append((prompt.operation, kind, with_it, without))
        frame = pd.DataFrame(rows, columns=["operation", "kind", "baseline", "accuracy"])
        frame = frame.groupby(["operation", "kind"], sort=False).agg(
            baseline=("baseline", "mean"), accuracy=("accuracy", "mean"), count=("accuracy", "size")
        )
        frame["decrease"] = [relative(o, a) for o, a in zip(frame["baseline"], frame["accuracy"], strict=True)]
        return frame.reset_index()


def sweep_accuracy(
    lm: LoadedModel, prompts: Sequence[Prompt], progress: Progress = silent, chunks: Chunks = not_kept
) -> AccuracySweep:
    """Sets each head to zero, one at a time, and checks every answer token and what follows the answer.

    Raises:
        UserError: for no prompts, or a word that the model does not know.
    """
    if not prompts:
        raise UserError("There is no prompt to sweep. Choose at least one.")
    questions = [question(lm, p) for p in prompts]
    reads: list[tuple[Read, int | None]] = []
    for i, q in enumerate(questions):
        wanted = [*q.answer, None]  # the last one is what follows the answer
        reads += [(Read(i, len(q.ids) - 1 + j), token) for j, token in enumerate(wanted)]
    swept = sweep_reads(lm, [q.ids + q.answer for q in questions], reads, progress, chunks=chunks)
    tokens = torch.tensor([token is not None for _, token in reads])
    token_prompt = [read.sequence for read, token in reads if token is not None]
    answers = [token for q in questions for token in q.answer]
    rights = torch.tensor(answers)
    firsts = [token_prompt.index(i) + lm.first_visible(q.answer) for i, q in enumerate(questions)]
    ends_baseline, without = _ends(lm, questions, swept, ~tokens)
    probability = swept.probability[tokens][firsts]
    return AccuracySweep(
        prompts=list(prompts),
        token_prompt=token_prompt,
        token_kind=[k for q in questions for k in q.kinds],
        token_visible=[not lm.is_blank(token) for token in answers],
        token_baseline=swept.best_baseline[tokens] == rights,
        token_right=swept.best[tokens] == rights[:, None, None],
        ends_baseline=ends_baseline,
        ends=without,
        probability_baseline=swept.baseline[tokens][firsts],
        probability=probability,
        measured=~probability.isnan().flatten(1).any(1),
    )


def _ends(lm: LoadedModel, questions: Sequence[Question], swept: SweptReads, behind: Tensor) -> tuple[Tensor, Tensor]:
    """Whether each answer ends where the token behind it is read; True where a stopped sweep did not read it."""
    best = torch.cat([swept.best_baseline[behind][:, None], swept.best[behind].flatten(1)], 1)  # (prompt, run)
    right = torch.ones_like(best, dtype=torch.bool)
    for row, q in enumerate(questions):
        for token in best[row].unique().tolist():
            if token >= 0 and not is_complete(lm, q.answer, q.number, token):
                right[row] &= best[row] != token
    return right[:, 0], right[:, 1:].view(swept.best[behind].shape)
