"""Indirect effects of single heads and neurons at the last position.

The same effect as in `core.mediation.measure`, of one head's output, its attention weights, or one neuron's
coefficient. Effects of single units are small: where many work together, each alone shows little.

The attention weights of a head may be copied at the last position (with which weights it reads the prompt there) or
at every position at once. The latter is what the authors' code does (`attention_intervention`); they report nothing of
it: their code returns no values for it, and the module that it puts into the model has new weights of its own.

The neurons to copy are those that CNA finds between the two prompts of a pair: the change of importance of the
base's result between base and alternative run (CNA §4.2, one model with two inputs) ranks them; causal mediation
then measures the effect of copying each. Shallow neurons, which only prepare what later layers read, have no
importance and are not found here.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from core.errors import UserError
from core.forward.patching import Place, Site
from core.forward.record import record
from core.hooks import check_neuron
from core.mediation.effect import AVERAGES, INDIRECT_EFFECT, Average, PatchEffects, averaged
from core.mediation.measure import measure
from core.mediation.pairs import PromptPair, check_differ
from core.mediation.probability_changes import PROBABILITY_CHANGES
from core.metrics import MetricLike
from core.model.load import LoadedModel
from core.neurons.compare import compare_runs
from core.progress import Progress, Stopped, silent

MOST_PAIRS = 20


#: What is copied of a head.
HeadPart = Literal["output", "attention weights", "attention weights everywhere"]


HEAD_PARTS: tuple[HeadPart, ...] = get_args(HeadPart)


def important_neurons(
    lm: LoadedModel, pairs: Sequence[PromptPair], k: int = 20, progress: Progress = silent
) -> list[tuple[int, int]]:
    """The k neurons (layer, neuron) with the largest change over the pairs, the largest first.

    A neuron's changes are summed over the pairs (the first 20) in which it is among the top k.

    Raises:
        UserError: for no pairs, two prompts that are the same, or a k that is not between 1 and the number of neurons.
    """
    if not pairs:
        raise UserError("Give at least one pair of prompts.")
    check_differ(pairs)
    total: dict[tuple[int, int], float] = {}
    chosen = list(pairs)[:MOST_PAIRS]
    for number, pair in enumerate(chosen):
        runs = record(lm, list(pair.base_ids)), record(lm, list(pair.alternative_ids))
        found = compare_runs((lm, lm), runs, pair.base_result, k)
        for neuron, change in zip(found.pairs, found.change.tolist(), strict=True):
            total[neuron] = total.get(neuron, 0.0) + change
        progress(number + 1, len(chosen))
    return sorted(total, key=lambda neuron: (-total[neuron], neuron))[:k]


@dataclass(frozen=True)
class UnitEffects:
    """Effects of single heads or neurons at the last position, for many pairs.

    Attributes:
        site: head, head pattern or neuron.
        places: (layer, head or neuron) of each.
        pairs: the pairs that were measured.
        effects: of each pair [place].
    """

    site: Site
    places: list[tuple[int, int]]
    pairs: list[PromptPair]
    effects: list[PatchEffects]

    def averaged(self, average: Average) -> Float[Tensor, " place"]:
        """Indirect effect over the pairs."""
        return averaged(torch.stack([e.log_effect for e in self.effects]), average)

    def to_frame(self) -> pd.DataFrame:
        """One row per place: layer, head or neuron, and the columns of `core.mediation.summary.cells` with averages.

        Without the intervals.
        """
        where = pd.DataFrame(self.places, columns=["layer", "neuron" if self.site == "neuron" else "head"])
        effects = {average: self.averaged(average).numpy() for average in AVERAGES}
        changed = {
            name: torch.stack([getattr(e, name) for e in self.effects]).double().mean(0).numpy()
            for name in ("wanted", "unwanted", "undesired", "change")
        }
        others = {
            name: torch.stack([each.of(e.clean[0], e.patched) for e in self.effects]).mean(0).numpy()
            for name, each in PROBABILITY_CHANGES.items()
        }
        return where.assign(**effects, **changed, **others, metric=self.effects[0].metric)


def head_effects(
    lm: LoadedModel,
    pairs: Sequence[PromptPair],
    progress: Progress = silent,
    metric: MetricLike = INDIRECT_EFFECT,
    head_part: str = "output",
) -> UnitEffects:
    """Effect of every head's output (the input slice of the output map) or attention weights at the last position.

    Args:
        lm: the model.
        pairs: prompts and results.
        progress: called after every batch.
        metric: "indirect effect", one of `PROBABILITY_CHANGES`, or a metric of the base's result (`core.metrics`).
        head_part: what is copied of a head, one of `HEAD_PARTS`.

    Raises:
        UserError: for no pairs, two prompts that are the same, another metric or another part.
        Stopped: when no pair was measured yet.
    """
    if head_part not in HEAD_PARTS:
        raise UserError(f"Of a head, {head_part!r} cannot be copied: use one of {', '.join(HEAD_PARTS)}.")
    site: Site = "head" if head_part == "output" else "head pattern"
    places = [(layer, head) for layer in range(lm.n_layers) for head in range(lm.n_heads)]
    return _units(lm, pairs, site, places, progress, metric, everywhere=head_part == "attention weights everywhere")


def neuron_effects(
    lm: LoadedModel,
    pairs: Sequence[PromptPair],
    neurons: Sequence[tuple[int, int]],
    progress: Progress = silent,
    metric: MetricLike = INDIRECT_EFFECT,
) -> UnitEffects:
    """Effect of single neurons' coefficients at the last position.

    Args:
        lm: the model.
        pairs: prompts and results.
        neurons: (layer, neuron), in any order; kept in order of layer.
        progress: called after every batch.
        metric: "indirect effect", one of `PROBABILITY_CHANGES`, or a metric of the base's result (`core.metrics`).

    Raises:
        UserError: for no pairs or neurons, a neuron that does not exist, two prompts that are the same, or another
            metric.
        Stopped: when no pair was measured yet.
    """
    for neuron in neurons:
        check_neuron(lm, *neuron)
    return _units(lm, pairs, "neuron", sorted(set(neurons)), progress, metric)


def _units(
    lm: LoadedModel,
    pairs: Sequence[PromptPair],
    site: Site,
    where: list[tuple[int, int]],
    progress: Progress,
    metric: MetricLike,
    everywhere: bool = False,
) -> UnitEffects:
    if not pairs or not where:
        raise UserError(f"Give at least one pair of prompts and one {site}.")
    check_differ(pairs)

    def places(n_tokens: int) -> list[Place]:
        position = None if everywhere else n_tokens - 1
        return [Place(site, layer, position, index) for layer, index in where]

    found = measure(lm, pairs, places, progress, metric)
    done = [(pair, e) for pair, e in zip(pairs, found, strict=True) if e is not None]
    if not done:
        raise Stopped
    return UnitEffects(site, where, [pair for pair, _ in done], [e for _, e in done])
