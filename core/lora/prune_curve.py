"""Accuracy of a pruned model against the share of its deep neurons that is kept.

Measured before any training on the pruned model. The control keeps as many random neurons, layer
by layer, for several seeds.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd

from core.errors import UserError
from core.forward.layer_inputs import LayerInputs, right_answers
from core.forward.neuron_sets import random_like, scaled_neurons
from core.forward.rows import TrainingRows
from core.lora.prune import DeepRankings, kept_set
from core.model.load import LoadedModel
from core.progress import Progress, Stopped, silent

KEPT_SHARES = (0.01, 0.02, 0.05, 0.1, 0.15, 0.2, 0.3, 0.5, 1.0)


@dataclass(frozen=True)
class PruneCurve:
    """Accuracy of a pruned model.

    `points`: one row per share and choice: neurons, share (of the deep neurons), kept ("CNA" or
    "random"), seed, accuracy (0 to 1).
    """

    points: pd.DataFrame


def prune_curve(
    model: LoadedModel,
    found: DeepRankings,
    n: int,
    test: TrainingRows,
    shares: Sequence[float] = KEPT_SHARES,
    seeds: Sequence[int] = (0, 1, 2),
    progress: Progress = silent,
) -> PruneCurve:
    """Measures the accuracy with several shares of the found neurons, and with as many random ones.

    Args:
        model: the model that is pruned, such as the fine-tuned one.
        found: from `core.lora.prune.find_to_keep`.
        n: top n per case; a share larger than their union keeps the union.
        test: the prompts that accuracy is measured on.
        shares: of the deep neurons.
        seeds: of the random neurons.
        progress: called after every accuracy; when it raises `Stopped`, the points so far are returned.

    Raises:
        UserError: for an n below 1, no shares, or ones that keep nothing.
    """
    if not shares:
        raise UserError("Choose at least one share of neurons to keep.")
    sets = list(dict.fromkeys(tuple(found.keep(n, share)) for share in shares))
    inputs = LayerInputs(model, test)
    inputs.move_to(found.from_layer)
    points: list[tuple] = []
    with suppress(Stopped):
        for kept in sets:
            choices = [("CNA", 0, kept)]
            choices += [("random", seed, random_like(model, kept, seed).neurons) for seed in seeds]
            for name, seed, neurons in choices:
                with scaled_neurons(model, kept_set(model, neurons, found.from_layer)):
                    right = right_answers(model, inputs)
                accuracy = float(right.float().mean())
                points.append((len(kept), len(kept) / found.n_deep, name, seed, accuracy))
                progress(len(points), len(sets) * len(choices))
    return PruneCurve(pd.DataFrame(points, columns=["neurons", "share", "kept", "seed", "accuracy"]))
