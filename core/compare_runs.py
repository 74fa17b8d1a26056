"""What does a comparison of two recordings give? CNA between any two runs (§4.2).

`change = importance in the first run - in the second`, ranked, largest first; the first
run freezes the final norm's scale and gives the default target.
"""

from typing import TYPE_CHECKING

import torch

from core.comparison import Comparison
from core.errors import UserError
from core.exact_top import Pair, rank_all, rank_top
from core.progress import Progress, silent
from core.readout import Readout
from core.record import Recording

if TYPE_CHECKING:
    from core.model import LoadedModel


def compare_runs(
    models: tuple["LoadedModel", "LoadedModel"],
    runs: tuple[Recording, Recording],
    target: int | None = None,
    k: int | None = None,
    first_layer: int = 0,
    progress: Progress = silent,
) -> Comparison:
    """The same, from recordings that are already there.

    Args:
        models: of the first and second run; the same object where it is one model.
        runs: the recordings; the first freezes the scale and gives the default target.
        target: token id w.
        k: how many; None: all.
        first_layer: the lowest intervened layer: below it both runs are the same.
        progress: told between layers.

    Raises:
        UserError: for a target outside the vocabulary, or a k that is not between 1 and the number of neurons.
    """
    lm, (first, second) = models[0], runs
    total = lm.n_layers * lm.n_neurons
    if target is None:
        target = int(first.logits[-1].argmax())
    if not 0 <= target < lm.n_vocab:
        raise UserError(f"Token id {target} lies outside this model's vocabulary, 0 to {lm.n_vocab - 1}.")
    if k is not None and not 1 <= k <= total:
        raise UserError(f"The top {k} neurons cannot be shown: choose 1 to {total}.")
    scale = Readout.of(lm).scale(first.resid_post[-1])
    pair = Pair(models, runs, target, scale, first_layer)
    ranked = rank_all(pair, progress) if k is None else rank_top(pair, k, progress)
    layer, neuron = ranked.index // lm.n_neurons, ranked.index % lm.n_neurons
    importance = ranked.importance
    p_first, p_second = (float(torch.softmax(run.logits[-1], -1)[target]) for run in runs)
    return Comparison(
        target=target, probability_first=p_first, probability_second=p_second, layer=layer, neuron=neuron,
        change=(importance[0] - importance[1]).float(), importance_first=importance[0].float(),
        importance_second=importance[1].float(), coefficient_first=first.coefficient[layer, -1, neuron],
        coefficient_second=second.coefficient[layer, -1, neuron], compared=total,
        by_full_vocabulary=ranked.by_full_vocabulary,
    )  # fmt: skip
