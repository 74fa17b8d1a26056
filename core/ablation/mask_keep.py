"""Mask and keep: whether the answer stays right with the top neurons at zero, or with all others (CNA §4.2).

Tables 5, 15 and 19. *Mask* sets a case's top k neurons to zero; *keep* all other FFN neurons from the heads'
layer to the last; *coefficient* is how much the top k fall when the heads are ablated. Only
cases that the model answers right count, so a decrease is the share of them that turn
wrong. Neurons found on a case are tested on the same case: the figures say that they are
sufficient and necessary there, not that they are in general.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from core.ablation.cases import TOP_KS, Case, Compare, compared, questions_of, right_cases
from core.errors import UserError
from core.forward.ablate_neurons import right_without
from core.forward.neuron_sets import NeuronSet, only
from core.metrics import coefficient_decrease
from core.model.load import LoadedModel
from core.neurons.comparison import Comparison
from core.progress import Progress, Stopped, silent
from core.prompts.arithmetic import Prompt


@dataclass(frozen=True)
class MaskKeep:
    """Verdicts on every case with its own top k neurons masked, and with only these kept.

    Attributes:
        prompts: what was asked.
        ks: how many neurons.
        measured: right cases that were measured (before a Stop); the rest below is about these.
        mask: whether the answer stays right with the top k at zero.
        keep: whether it stays right with all others at zero.
        coefficient: decrease of the top k's coefficients with the heads ablated, a share of 1.
    """

    prompts: list[Prompt]
    ks: list[int]
    measured: Bool[Tensor, " prompt"]
    mask: Bool[Tensor, "prompt k"]
    keep: Bool[Tensor, "prompt k"]
    coefficient: Float[Tensor, "prompt k"]

    def to_frame(self) -> pd.DataFrame:
        """One row per measure and k: measure, k, decrease (share of 1, mean over cases), cases."""
        n = int(self.measured.sum())
        decreases = {
            "mask": 1 - self.mask[self.measured].float().mean(0),
            "keep": 1 - self.keep[self.measured].float().mean(0),
            "coefficient": self.coefficient[self.measured].nanmean(0),
        }
        rows = [
            (measure, k, value, n)
            for measure, values in decreases.items()
            for k, value in zip(self.ks, values.tolist(), strict=True)
        ]
        return pd.DataFrame(rows, columns=["measure", "k", "decrease", "cases"])

    def cases_frame(self) -> pd.DataFrame:
        """One row per measured case and k: number, prompt, answer, k, mask, keep (right?), coefficient (decrease)."""
        rows = [
            (
                i,
                self.prompts[i].text,
                self.prompts[i].answer,
                k,
                bool(self.mask[i, at]),
                bool(self.keep[i, at]),
                float(self.coefficient[i, at]),
            )
            for i in self.measured.nonzero()[:, 0].tolist()
            for at, k in enumerate(self.ks)
        ]
        return pd.DataFrame(rows, columns=["number", "prompt", "answer", "k", "mask", "keep", "coefficient"])


def mask_and_keep(
    lm: LoadedModel,
    prompts: Sequence[Prompt],
    compare: Compare,
    lowest_layer: int,
    ks: Sequence[int] = TOP_KS,
    progress: Progress = silent,
) -> MaskKeep:
    """Masks and keeps each right case's own top neurons.

    Args:
        lm: the model.
        prompts: the set.
        compare: gives the ranked neurons of some token ids, with and without the heads.
        lowest_layer: of the heads; *keep* zeroes neurons from here on.
        ks: how many of the ranked neurons.
        progress: told after every case; when it raises `Stopped`, what is measured is returned.

    Raises:
        UserError: for no prompts, a word that the model does not know, a layer or k that does not exist.
    """
    if not 0 <= lowest_layer < lm.n_layers:
        raise UserError(f"Layer {lowest_layer} does not exist: this model has layers 0 to {lm.n_layers - 1}.")
    questions = questions_of(lm, prompts, ks)
    shape = (len(prompts), len(ks))
    out = MaskKeep(
        list(prompts),
        list(ks),
        torch.zeros(len(prompts), dtype=torch.bool),
        torch.zeros(shape, dtype=torch.bool),
        torch.zeros(shape, dtype=torch.bool),
        torch.full(shape, torch.nan),
    )
    with suppress(Stopped):  # what is measured stays
        batches = right_cases(lm, questions, progress)
        for batch, comparisons, tell in compared(batches, compare, ks, progress):
            _measure(lm, batch, comparisons, lowest_layer, out, tell)
    return out


def _measure(
    lm: LoadedModel,
    batch: list[Case],
    comparisons: list[Comparison],
    lowest_layer: int,
    out: MaskKeep,
    progress: Progress,
) -> None:
    tops = [c.top(k) for c in comparisons for k in out.ks]
    questions = [case.question for case in batch for _ in out.ks]
    masked = [(q, NeuronSet(tuple(top))) for q, top in zip(questions, tops, strict=True)]
    kept = [(q, only(top, lowest_layer, lm)) for q, top in zip(questions, tops, strict=True)]
    shape = (2, len(batch), len(out.ks))
    right = torch.tensor(right_without(lm, masked + kept, progress)).view(shape)
    for row, (case, c) in enumerate(zip(batch, comparisons, strict=True)):
        out.mask[case.number], out.keep[case.number] = right[0, row], right[1, row]
        out.coefficient[case.number] = torch.tensor(
            [coefficient_decrease(c.coefficient_first[:k], c.coefficient_second[:k]) for k in out.ks]
        )
        out.measured[case.number] = True
