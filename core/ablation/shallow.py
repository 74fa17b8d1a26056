"""The ablation of the shallow neurons that the zero-shot filter keeps: does arithmetic need them?

CNA §4.4, tables 8 and 17. The kept neurons are set to zero for all prompts at once, at every position. So are as many
random neurons of the same layers: a decrease means something only where it is larger than
theirs. A low M keeps so many neurons that any such set breaks the model. Accuracy is the share of answer tokens that
the model predicts after the right tokens before them (`core.ablation.cases`), the paper's scoring.
"""

from collections.abc import Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch
from jaxtyping import Bool, Float
from torch import Tensor

from core.ablation.cases import CaseSet
from core.errors import UserError
from core.forward.answers import greedy_tokens, right_tokens
from core.forward.neuron_sets import NeuronSet, random_like, scaled_neurons
from core.kept.chunks import Chunks, not_kept
from core.metrics import relative
from core.model.load import LoadedModel
from core.progress import Progress, Stopped, part, silent
from core.prompts.arithmetic import Prompt
from core.types import Neuron
from core.vocabulary.shallow import ShallowCounts

MORE_THAN = (0, 1, 2, 3)


@dataclass(frozen=True)
class ShallowAblation:
    """Accuracy with the filter's neurons at zero, and with as many random ones.

    Attributes:
        more_than: M of the filter.
        neurons: how many neurons it keeps, for each M.
        by_chance: how many it would keep if top tokens were drawn at random (`ShallowCounts.by_chance`).
        prompts: how many prompts were asked.
        cases: how many answer tokens they have.
        original: share of right answer tokens with nothing ablated; NaN before it is measured.
        accuracy: with the kept neurons ablated; NaN where a Stop came first.
        control: with random neurons ablated, as many in each layer.
        units: the number of each case's prompt.
        baseline_right: whether each case is right with nothing ablated; False before it is measured.
        right: with the kept neurons ablated; False where a Stop came first.
        control_right: with random neurons ablated, likewise.
    """

    more_than: list[int]
    neurons: list[int]
    by_chance: list[float]
    prompts: int
    cases: int
    original: float
    accuracy: Float[Tensor, " more_than"]
    control: Float[Tensor, "more_than draw"]
    units: list[int]
    baseline_right: Bool[Tensor, " case"]
    right: Bool[Tensor, "more_than case"]
    control_right: Bool[Tensor, "more_than draw case"]

    def to_frame(self) -> pd.DataFrame:
        """One row per M, accuracies and relative decreases as shares of 1.

        Columns: more_than, neurons, by_chance, original, accuracy, decrease, draws, control_accuracy,
        control_decrease (means over draws), control_spread (standard deviation of the
        decrease over draws; NaN for fewer than two).
        """
        rows = []
        for at, (m, n, chance) in enumerate(zip(self.more_than, self.neurons, self.by_chance, strict=True)):
            drawn = self.control[at][~self.control[at].isnan()]
            decreases = torch.tensor([relative(self.original, a) for a in drawn.tolist()])
            spread = float(decreases.std()) if len(drawn) > 1 else float("nan")
            accuracy = float(self.accuracy[at])
            rows.append(
                (
                    m,
                    n,
                    chance,
                    self.original,
                    accuracy,
                    relative(self.original, accuracy),
                    len(drawn),
                    float(drawn.mean()),
                    float(decreases.mean()),
                    spread,
                )
            )
        columns = [
            "more_than",
            "neurons",
            "by_chance",
            "original",
            "accuracy",
            "decrease",
            "draws",
            "control_accuracy",
            "control_decrease",
            "control_spread",
        ]
        return pd.DataFrame(rows, columns=columns)


def ablate_shallow(
    lm: LoadedModel,
    prompts: Sequence[Prompt],
    counts: ShallowCounts,
    more_than: Sequence[int] = MORE_THAN,
    draws: int = 3,
    seed: int = 0,
    progress: Progress = silent,
    chunks: Chunks = not_kept,
) -> ShallowAblation:
    """Sets the filter's neurons to zero for each M, then `draws` random sets of the same size.

    Args:
        lm: the model.
        prompts: what is asked.
        counts: of `shallow_counts`.
        more_than: values of M.
        draws: random sets for each M; the same for the same seed.
        seed: of the random sets.
        progress: told often; when it raises `Stopped`, what is measured is returned.
        chunks: keeps the answers without each set.

    Raises:
        UserError: for no prompts, no M, a word that the model does not know, or draws below 0.
    """
    if not more_than or draws < 0:
        raise UserError("Choose at least one M, and 0 or more random draws.")
    cases = CaseSet.of(lm, prompts)
    kept = [counts.pairs(m) for m in more_than]
    accuracy, control = torch.full((len(kept),), torch.nan), torch.full((len(kept), draws), torch.nan)
    baseline_right = torch.zeros(len(cases), dtype=torch.bool)
    right = baseline_right.repeat(len(kept), 1)
    control_right = baseline_right.repeat(len(kept), draws, 1)
    original = float("nan")
    total = 1 + len(kept) * (1 + draws)
    with suppress(Stopped):  # what is measured stays
        baseline_right[:] = chunks("all neurons", partial(_right, lm, cases, NeuronSet(()), progress, 0, total))
        original = _share(baseline_right)
        for number, (at, draw, chosen) in enumerate(_sets(lm, more_than, kept, draws, seed), start=1):
            found = chunks(f"set {number}", partial(_right, lm, cases, chosen, progress, number, total))
            if draw is None:
                right[at], accuracy[at] = found, _share(found)
            else:
                control_right[at, draw], control[at, draw] = found, _share(found)
    return ShallowAblation(
        more_than=list(more_than),
        neurons=[len(pairs) for pairs in kept],
        by_chance=[counts.by_chance(m) for m in more_than],
        prompts=len(prompts),
        cases=len(cases),
        original=original,
        accuracy=accuracy,
        control=control,
        units=[case.number for case in cases.tokens],
        baseline_right=baseline_right,
        right=right,
        control_right=control_right,
    )


def _sets(
    lm: LoadedModel, more_than: Sequence[int], kept: list[list[Neuron]], draws: int, seed: int
) -> Iterator[tuple[int, int | None, NeuronSet]]:
    """The filter's sets first, then the first random set of each, and so on: a Stop leaves whole rounds."""
    for at, pairs in enumerate(kept):
        yield at, None, NeuronSet(tuple(pairs))
    for draw in range(draws):
        for at, (m, pairs) in enumerate(zip(more_than, kept, strict=True)):
            yield at, draw, random_like(lm, pairs, seed=(seed * 1000 + draw) * 1000 + m)


def _right(
    lm: LoadedModel, cases: CaseSet, chosen: NeuronSet, progress: Progress, number: int, total: int
) -> Bool[Tensor, " case"]:
    with scaled_neurons(lm, chosen):
        found = greedy_tokens(lm, cases.questions, part(progress, number, total))
    return torch.tensor(right_tokens(cases.tokens, found), dtype=torch.bool)


def _share(right: Bool[Tensor, " case"]) -> float:
    return int(right.sum()) / len(right)
