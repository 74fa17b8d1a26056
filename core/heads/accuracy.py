"""Accuracy of whole answers with each attention head ablated, one at a time (CNA §3.2, §3.4)."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from core.errors import UserError
from core.forward.ablate_heads import Read
from core.forward.answers import question
from core.heads.sweep import sweep_reads
from core.metrics import relative
from core.model.load import LoadedModel
from core.progress import Progress, silent
from core.prompts.arithmetic import DigitKind, Prompt


@dataclass(frozen=True)
class AccuracySweep:
    """Right or wrong answers with each head set to zero, one at a time.

    Attributes:
        prompts: the prompts, in order.
        token_prompt: for each answer token the number of its prompt.
        token_kind: memorize, change-one, or None, for each answer token.
        token_baseline: whether the right token is the top-1 prediction with no head ablated.
        token_right: the same with each head ablated.
        probability_baseline: probability of the answer's first token that is not blank (many
            tokenizers begin an answer with a space), with no head ablated.
        probability: with each head ablated.
        measured: which prompts were measured before a Stop.
    """

    prompts: list[Prompt]
    token_prompt: list[int]
    token_kind: list[DigitKind | None]
    token_baseline: Bool[Tensor, " token"]
    token_right: Bool[Tensor, "token layer head"]
    probability_baseline: Float[Tensor, " prompt"]
    probability: Float[Tensor, "prompt layer head"]
    measured: Bool[Tensor, " prompt"]

    @property
    def baseline(self) -> Bool[Tensor, " prompt"]:
        """Whether the whole answer is right with no head ablated."""
        return self._all_tokens(self.token_baseline[:, None, None])[:, 0, 0]

    @property
    def right(self) -> Bool[Tensor, "prompt layer head"]:
        """Whether the whole answer is right with each head ablated."""
        return self._all_tokens(self.token_right)

    def _all_tokens(self, tokens: Tensor) -> Tensor:
        wrong = torch.zeros(len(self.prompts), *tokens.shape[1:])
        wrong.index_add_(0, torch.tensor(self.token_prompt), (~tokens).float())
        return wrong == 0

    def accuracy(self, chosen: Sequence[int] | None = None) -> tuple[float, Float[Tensor, "layer head"]]:
        """Accuracy with no head ablated and with each head ablated, over all or some measured prompts."""
        keep = self.measured.clone()
        if chosen is not None:
            some = torch.zeros_like(keep)
            some[list(chosen)] = True
            keep &= some
        return float(self.baseline[keep].float().mean()), self.right[keep].float().mean(0)

    def to_frame(self) -> pd.DataFrame:
        """One row per operation, number of digits and head: accuracy, baseline, relative decrease, prompts."""
        rows = []
        groups: dict[tuple[str, int], list[int]] = {}
        for i, p in enumerate(self.prompts):
            if self.measured[i]:
                groups.setdefault((p.operation, p.digits), []).append(i)
        for (operation, digits), members in groups.items():
            original, intervened = self.accuracy(members)
            rows += [
                (operation, digits, layer, head, original, value, relative(original, value), len(members))
                for layer, values in enumerate(intervened.tolist())
                for head, value in enumerate(values)
            ]
        columns = ["operation", "digits", "layer", "head", "baseline", "accuracy", "decrease", "prompts"]
        return pd.DataFrame(rows, columns=columns)

    def kinds_frame(self, layer: int, head: int) -> pd.DataFrame:
        """Digit accuracy of memorize and change-one digits without one head, by operation (table 3)."""
        rows = []
        for i, kind in enumerate(self.token_kind):
            if kind is not None and self.measured[self.token_prompt[i]]:
                prompt = self.prompts[self.token_prompt[i]]
                with_it, without = bool(self.token_baseline[i]), bool(self.token_right[i, layer, head])
                rows.append((prompt.operation, kind, with_it, without))
        frame = pd.DataFrame(rows, columns=["operation", "kind", "baseline", "accuracy"])
        frame = frame.groupby(["operation", "kind"], sort=False).agg(
            baseline=("baseline", "mean"), accuracy=("accuracy", "mean"), digits=("accuracy", "size")
        )
        frame["decrease"] = [relative(o, a) for o, a in zip(frame["baseline"], frame["accuracy"], strict=True)]
        return frame.reset_index()


def sweep_accuracy(lm: LoadedModel, prompts: Sequence[Prompt], progress: Progress = silent) -> AccuracySweep:
    """Sets each head to zero, one at a time, and checks every whole answer (greedy exact match).

    Raises:
        UserError: for no prompts, or a word that the model does not know.
    """
    if not prompts:
        raise UserError("There is no prompt to sweep. Choose at least one.")
    questions = [question(lm, p) for p in prompts]
    sequences = [q.ids + q.answer[:-1] for q in questions]
    reads: list[tuple[Read, int | None]] = []
    for i, q in enumerate(questions):
        reads += [(Read(i, len(q.ids) - 1 + j), token) for j, token in enumerate(q.answer)]
    swept = sweep_reads(lm, sequences, reads, progress)
    token_prompt = [read.sequence for read, _ in reads]
    firsts = [token_prompt.index(i) + lm.first_visible(q.answer) for i, q in enumerate(questions)]
    return AccuracySweep(
        prompts=list(prompts),
        token_prompt=token_prompt,
        token_kind=[k for q in questions for k in q.kinds],
        token_baseline=swept.is_top_baseline,
        token_right=swept.is_top,
        probability_baseline=swept.baseline[firsts],
        probability=swept.probability[firsts],
        measured=~swept.probability[firsts].isnan().flatten(1).any(1),
    )
