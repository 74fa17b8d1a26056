"""Mask and keep: whether an answer token stays right with the top neurons at zero, or with all others (CNA §4.2).

Tables 5, 15 and 19. *Mask* sets a case's top k neurons to zero; *keep* all other FFN neurons from the heads'
layer to the last; *coefficient* is how much the top k fall when the heads are ablated. A case is one answer token that
the model predicts (`core.ablation.cases`), so a decrease is the share of them that turn wrong. Neurons found on a case
are tested on the same case: the figures say that they are sufficient and necessary there, not that they are in general.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from core.ablation.cases import TOP_KS, CaseSet, Compare, compared
from core.errors import UserError
from core.forward.ablate_neurons import greedy_without
from core.forward.neuron_sets import NeuronSet, only
from core.kept.chunks import Chunks, not_kept
from core.metrics import coefficient_decrease
from core.model.load import LoadedModel
from core.neurons.comparison import Comparison
from core.progress import Progress, Stopped, silent
from core.prompts.arithmetic import Prompt


@dataclass(frozen=True)
class MaskKeep:
    """Verdicts on every case with its own top k neurons masked, and with only these kept.

    Attributes:
        cases: the answer tokens of the set.
        ks: how many neurons.
        measured: right cases that were measured (before a Stop); the rest below is about these.
        mask: whether the token stays right with the top k at zero.
        keep: whether it stays right with all others at zero.
        coefficient: decrease of the top k's coefficients with the heads ablated, a share of 1.
    """

    cases: CaseSet
    ks: list[int]
    measured: Bool[Tensor, " case"]
    mask: Bool[Tensor, "case k"]
    keep: Bool[Tensor, "case k"]
    coefficient: Float[Tensor, "case k"]

    def to_frame(self) -> pd.DataFrame:
        """One row per measure and k: measure, k, decrease (share of 1, mean over cases), median (over cases), cases.

        A case whose top neurons have small coefficients with all heads can decrease by many times their sum, which
        carries the mean. Verdicts have no median.
        """
        n = int(self.measured.sum())
        coefficient = self.coefficient[self.measured]
        none = [torch.nan] * len(self.ks)
        columns = {
            "mask": (1 - self.mask[self.measured].float().mean(0), none),
            "keep": (1 - self.keep[self.measured].float().mean(0), none),
            "coefficient": (coefficient.nanmean(0), pd.DataFrame(coefficient.numpy()).median()),
        }
        rows = [
            (measure, k, mean, median, n)
            for measure, (means, medians) in columns.items()
            for k, mean, median in zip(self.ks, means.tolist(), medians, strict=True)
        ]
        return pd.DataFrame(rows, columns=["measure", "k", "decrease", "median", "cases"])

    def cases_frame(self) -> pd.DataFrame:
        """One row per measured case and k.

        Columns: number, prompt, answer, place and token (`CaseSet.to_frame`), k, mask, keep (right?), coefficient
        (decrease).
        """
        return self.cases.by_k(self.measured, self.ks, mask=self.mask, keep=self.keep, coefficient=self.coefficient)


def mask_and_keep(
    lm: LoadedModel,
    prompts: Sequence[Prompt],
    compare: Compare,
    lowest_layer: int,
    ks: Sequence[int] = TOP_KS,
    progress: Progress = silent,
    chunks: Chunks = not_kept,
) -> MaskKeep:
    """Masks and keeps each right case's own top neurons.

    Args:
        lm: the model.
        prompts: the set.
        compare: gives the ranked neurons of some token ids and a target, with and without the heads.
        lowest_layer: of the heads; *keep* zeroes neurons from here on.
        ks: how many of the ranked neurons.
        progress: told after every case; when it raises `Stopped`, what is measured is returned.
        chunks: keeps the cases that are right, and each batch of them.

    Raises:
        UserError: for no prompts, a word that the model does not know, a layer or k that does not exist.
    """
    if not 0 <= lowest_layer < lm.n_layers:
        raise UserError(f"Layer {lowest_layer} does not exist: this model has layers 0 to {lm.n_layers - 1}.")
    cases = CaseSet.of(lm, prompts, ks)
    shape = (len(cases), len(ks))
    out = MaskKeep(
        cases,
        list(ks),
        torch.zeros(len(cases), dtype=torch.bool),
        torch.zeros(shape, dtype=torch.bool),
        torch.zeros(shape, dtype=torch.bool),
        torch.full(shape, torch.nan),
    )
    with suppress(Stopped):  # what is measured stays
        batches = chunks("right", lambda: cases.right(lm, progress))
        together = enumerate(compared(cases, batches, compare, ks, progress, chunks))
        for number, (batch, comparisons, tell) in together:
            work = partial(_measure, lm, batch, comparisons, lowest_layer, out, tell)
            out.mask[batch], out.keep[batch], out.coefficient[batch] = chunks(f"measured {number}", work)
            out.measured[batch] = True
    return out


def _measure(
    lm: LoadedModel,
    batch: list[int],
    comparisons: list[Comparison],
    lowest_layer: int,
    out: MaskKeep,
    progress: Progress,
) -> tuple[Tensor, Tensor, Tensor]:
    """Mask, keep and coefficient [case, k] of a batch."""
    asked = [(number, c.top(k)) for number, c in zip(batch, comparisons, strict=True) for k in out.ks]
    cases = [out.cases.tokens[number] for number, _ in asked] * 2
    sets = [*(NeuronSet(tuple(top)) for _, top in asked), *(only(top, lowest_layer, lm) for _, top in asked)]
    trials = [(out.cases.questions[case.number], chosen) for case, chosen in zip(cases, sets, strict=True)]
    found = greedy_without(lm, trials, progress)
    right = [best[case.place] == case.token for case, best in zip(cases, found, strict=True)]
    mask, keep = torch.tensor(right).view(2, len(batch), len(out.ks))
    coefficient = torch.tensor(
        [[coefficient_decrease(c.coefficient_first[:k], c.coefficient_second[:k]) for k in out.ks] for c in comparisons]
    )
    return mask, keep, coefficient
