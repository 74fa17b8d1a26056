"""The effect of the root on the other important neurons: the root at zero, over many prompts (CNA §4.3).

Tables 6, 16 and 20. For each prompt that is answered right, the root of its top k neurons
(`core.neurons.root`) is set to zero: how much do the coefficients of the others fall? They fall by every
path from the root, not only by the direct edges of `core.chain.pe_dag`. Neurons in the root's own layer
cannot change.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from core.ablation.cases import TOP_KS, Case, Compare, compared, questions_of, right_cases
from core.forward.ablate_neurons import Trial, coefficients_without
from core.forward.neuron_sets import NeuronSet
from core.metrics import coefficient_decrease
from core.model.load import LoadedModel
from core.neurons.comparison import Comparison
from core.neurons.root import root_of
from core.progress import Progress, Stopped, silent
from core.prompts.arithmetic import Prompt


@dataclass(frozen=True)
class RootAblation:
    """What the lowest important neuron of each case is worth to the others.

    Attributes:
        prompts: what was asked.
        ks: among how many of the ranked neurons.
        measured: right cases that were measured (before a Stop); the rest below is about these.
        root: (layer, neuron) that was set to zero.
        decrease: decrease of the other top neurons' coefficients, a share of 1; NaN where
            there are no others.
    """

    prompts: list[Prompt]
    ks: list[int]
    measured: Bool[Tensor, " prompt"]
    root: Int[Tensor, "prompt k 2"]
    decrease: Float[Tensor, "prompt k"]

    def to_frame(self) -> pd.DataFrame:
        """One row per k: k, decrease (share of 1, mean over cases), cases."""
        means = self.decrease[self.measured].nanmean(0).tolist()
        rows = [(k, mean, int(self.measured.sum())) for k, mean in zip(self.ks, means, strict=True)]
        return pd.DataFrame(rows, columns=["k", "decrease", "cases"])

    def cases_frame(self) -> pd.DataFrame:
        """One row per measured case and k: number, prompt, k, layer, neuron (the root), decrease."""
        rows = [
            (i, self.prompts[i].text, k, *self.root[i, at].tolist(), float(self.decrease[i, at]))
            for i in self.measured.nonzero()[:, 0].tolist()
            for at, k in enumerate(self.ks)
        ]
        return pd.DataFrame(rows, columns=["number", "prompt", "k", "layer", "neuron", "decrease"])


def ablate_root(
    lm: LoadedModel,
    prompts: Sequence[Prompt],
    compare: Compare,
    ks: Sequence[int] = TOP_KS,
    progress: Progress = silent,
) -> RootAblation:
    """Sets each right case's lowest important neuron to zero and reads the others.

    Args:
        lm: the model.
        prompts: the set.
        compare: gives the ranked neurons of some token ids, with and without the heads.
        ks: how many of the ranked neurons.
        progress: told after every case; when it raises `Stopped`, what is measured is returned.

    Raises:
        UserError: for no prompts, a word that the model does not know, or a k below 1.
    """
    questions = questions_of(lm, prompts, ks)
    shape = (len(prompts), len(ks))
    out = RootAblation(
        list(prompts),
        list(ks),
        torch.zeros(len(prompts), dtype=torch.bool),
        torch.full((*shape, 2), -1),
        torch.full(shape, torch.nan),
    )
    with suppress(Stopped):  # what is measured stays
        batches = right_cases(lm, questions, progress)
        for batch, comparisons, tell in compared(batches, compare, ks, progress):
            _measure(lm, batch, comparisons, out, tell)
    return out


def _measure(
    lm: LoadedModel, batch: list[Case], comparisons: list[Comparison], out: RootAblation, progress: Progress
) -> None:
    roots = [[root_of(c.top(k), c.importance_first[:k]) for k in out.ks] for c in comparisons]
    trials = {(row, root): None for row, mine in enumerate(roots) for root in mine}  # a root often serves several k
    found = coefficients_without(
        lm,
        [Trial(batch[row].asked, NeuronSet((root,))) for row, root in trials],
        [comparisons[row].top(max(out.ks)) for row, _ in trials],
        progress,
    )
    after = dict(zip(trials, found, strict=True))
    for row, (case, c) in enumerate(zip(batch, comparisons, strict=True)):
        for at, (k, root) in enumerate(zip(out.ks, roots[row], strict=True)):
            others = torch.tensor([pair != root for pair in c.top(k)])
            before = c.coefficient_first[:k][others]
            out.decrease[case.number, at] = coefficient_decrease(before, after[row, root][:k][others])
            out.root[case.number, at] = torch.tensor(root)
        out.measured[case.number] = True
