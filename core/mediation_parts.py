"""Which single heads and neurons carry what differs between two prompts? At the last position.

The same indirect effect as in `core.mediation`, of one head's output or one neuron's coefficient.
Single parts are small: where many work together, each shows little by itself.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from core.effects import AVERAGES, Average, Effects, averaged
from core.errors import UserError
from core.hooks import check_neuron
from core.mediation_measure import measure
from core.mediation_pairs import Pair, check_differ
from core.patching import Place, Site
from core.progress import Progress, Stopped, silent

if TYPE_CHECKING:
    from core.model import LoadedModel


@dataclass(frozen=True)
class PartEffects:
    """Effects of single heads or neurons at the last position, for many pairs.

    Attributes:
        site: head or neuron.
        places: (layer, head or neuron) of each.
        pairs: the pairs that were measured.
        effects: of each pair [place].
    """

    site: Site
    places: list[tuple[int, int]]
    pairs: list[Pair]
    effects: list[Effects]

    def averaged(self, average: Average) -> Float[Tensor, " place"]:
        """Indirect effect over the pairs."""
        return averaged(torch.stack([e.log_effect for e in self.effects]), average)

    def to_frame(self) -> pd.DataFrame:
        """One row a place: layer, head or neuron, mean and geometric mean of IE, share of wanted and unwanted changes.

        The columns are called like those of `core.mediation_summary.cells`.
        """
        where = pd.DataFrame(self.places, columns=["layer", self.site])
        effects = {average: self.averaged(average).numpy() for average in AVERAGES}
        changed = {
            name: torch.stack([getattr(e, name) for e in self.effects]).double().mean(0).numpy()
            for name in ("wanted", "unwanted")
        }
        return where.assign(**effects, **changed)


def head_effects(lm: "LoadedModel", pairs: Sequence[Pair], progress: Progress = silent) -> PartEffects:
    """Indirect effect of every head's output (the input slice of the output map) at the last position.

    Raises:
        UserError: for no pairs, or two prompts that are the same.
        Stopped: when no pair was measured yet.
    """
    return _parts(lm, pairs, "head", [(n, head) for n in range(lm.n_layers) for head in range(lm.n_heads)], progress)


def neuron_effects(
    lm: "LoadedModel", pairs: Sequence[Pair], neurons: Sequence[tuple[int, int]], progress: Progress = silent
) -> PartEffects:
    """Indirect effect of single neurons' coefficients at the last position.

    Args:
        lm: the model.
        pairs: prompts and results.
        neurons: (layer, neuron), in any order; kept in order of layer.
        progress: told after every batch.

    Raises:
        UserError: for no pairs or neurons, a neuron that does not exist, or two prompts that are the same.
        Stopped: when no pair was measured yet.
    """
    for neuron in neurons:
        check_neuron(lm, *neuron)
    return _parts(lm, pairs, "neuron", sorted(set(neurons)), progress)


def _parts(
    lm: "LoadedModel", pairs: Sequence[Pair], site: Site, where: list[tuple[int, int]], progress: Progress
) -> PartEffects:
    if not pairs or not where:
        raise UserError(f"Give at least one pair of prompts and one {site}.")
    check_differ(pairs)
    found = measure(lm, pairs, lambda n: [Place(site, layer, n - 1, i) for layer, i in where], progress)
    done = [(pair, e) for pair, e in zip(pairs, found, strict=True) if e is not None]
    if not done:
        raise Stopped
    return PartEffects(site, where, [pair for pair, _ in done], [e for _, e in done])
