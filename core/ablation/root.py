"""The effect of the root on the other important neurons: the root at zero, over many prompts (CNA §4.3).

Tables 6, 16 and 20. For each answer token that is predicted right (`core.ablation.cases`), the root of its top k
neurons (`core.neurons.root`) is set to zero: how much do the coefficients of the others fall, at the position right
before the token? They fall by every path from the root, not only by the direct edges of `core.chain.pe_dag`. Neurons
in the root's own layer cannot change.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from core.ablation.cases import TOP_KS, CaseSet, Compare, compared
from core.forward.ablate_neurons import Trial, coefficients_without
from core.forward.neuron_sets import NeuronSet
from core.kept.chunks import Chunks, not_kept
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
        cases: the answer tokens of the set.
        ks: among how many of the ranked neurons.
        measured: right cases that were measured (before a Stop); the rest below is about these.
        root: (layer, neuron) that was set to zero.
        decrease: decrease of the other top neurons' coefficients, a share of 1; NaN where
            there are no others.
    """

    cases: CaseSet
    ks: list[int]
    measured: Bool[Tensor, " case"]
    root: Int[Tensor, "case k 2"]
    decrease: Float[Tensor, "case k"]

    def to_frame(self) -> pd.DataFrame:
        """One row per k: k, decrease (share of 1, mean over cases), median (over cases), cases."""
        found = pd.DataFrame(self.decrease[self.measured].numpy())
        return pd.DataFrame({"k": self.ks, "decrease": found.mean(), "median": found.median(), "cases": len(found)})

    def cases_frame(self) -> pd.DataFrame:
        """One row per measured case and k.

        Columns: number, prompt, answer, place and token (`CaseSet.to_frame`), k, layer and neuron (the root), decrease.
        """
        layer, neuron = self.root.unbind(-1)
        return self.cases.by_k(self.measured, self.ks, layer=layer, neuron=neuron, decrease=self.decrease)


def ablate_root(
    lm: LoadedModel,
    prompts: Sequence[Prompt],
    compare: Compare,
    ks: Sequence[int] = TOP_KS,
    progress: Progress = silent,
    chunks: Chunks = not_kept,
) -> RootAblation:
    """Sets each right case's lowest important neuron to zero and reads the others.

    Args:
        lm: the model.
        prompts: the set.
        compare: gives the ranked neurons of some token ids and a target, with and without the heads.
        ks: how many of the ranked neurons.
        progress: told after every case; when it raises `Stopped`, what is measured is returned.
        chunks: keeps the cases that are right, and each batch of them.

    Raises:
        UserError: for no prompts, a word that the model does not know, or a k below 1.
    """
    cases = CaseSet.of(lm, prompts, ks)
    shape = (len(cases), len(ks))
    out = RootAblation(
        cases,
        list(ks),
        torch.zeros(len(cases), dtype=torch.bool),
        torch.full((*shape, 2), -1),
        torch.full(shape, torch.nan),
    )
    with suppress(Stopped):  # what is measured stays
        batches = chunks("right", lambda: cases.right(lm, progress))
        together = enumerate(compared(cases, batches, compare, ks, progress, chunks))
        for number, (batch, comparisons, tell) in together:
            work = partial(_measure, lm, batch, comparisons, out, tell)
            out.root[batch], out.decrease[batch] = chunks(f"measured {number}", work)
            out.measured[batch] = True
    return out


def _measure(
    lm: LoadedModel, batch: list[int], comparisons: list[Comparison], out: RootAblation, progress: Progress
) -> tuple[Tensor, Tensor]:
    """Roots [case, k, 2] and decreases [case, k] of a batch."""
    roots = [[root_of(c.top(k), c.importance_first[:k]) for k in out.ks] for c in comparisons]
    trials = {(row, root): None for row, mine in enumerate(roots) for root in mine}  # a root often serves several k
    found = coefficients_without(
        lm,
        [Trial(out.cases.tokens[batch[row]].ids, NeuronSet((root,))) for row, root in trials],
        [comparisons[row].top(max(out.ks)) for row, _ in trials],
        progress,
    )
    after = dict(zip(trials, found, strict=True))
    decrease = torch.full((len(batch), len(out.ks)), torch.nan)
    for row, c in enumerate(comparisons):
        for at, (k, root) in enumerate(zip(out.ks, roots[row], strict=True)):
            others = torch.tensor([pair != root for pair in c.top(k)])
            decrease[row, at] = coefficient_decrease(c.coefficient_first[:k][others], after[row, root][:k][others])
    return torch.tensor(roots), decrease
