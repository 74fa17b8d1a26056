"""The zero-shot filter of shallow neurons: how many concept tokens a value names after an attention layer (CNA §4.4).

The counts depend on the weights only: count once, then
keep those greater than any M. A count says what attention *would* pass on if a head
attended there with all its weight; whether one does depends on the prompt. Some counts arise by chance:
`ShallowCounts.by_chance` says how many (`core.vocabulary.chance`).
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
import torch
from jaxtyping import Float, Int
from torch import Tensor

from core import disk_cache
from core.errors import UserError
from core.model.load import LoadedModel
from core.model.weights import column_blocks
from core.progress import Progress, part, silent
from core.types import Neuron
from core.vocabulary.chance import any_above, share_above
from core.vocabulary.concepts import chosen_concepts
from core.vocabulary.projection import OVMap, project

_CHUNK = 2**24


NOT_COUNTED = -1


#: Whether a value counts as it is (+v, for a positive coefficient), or its negative too and the larger count is taken.
SIGNS = ("plus", "both")


@dataclass(frozen=True)
class ShallowCounts:
    """Concept tokens among the top ones, for every shallow neuron and later attention layer.

    Attributes:
        layers: the shallow layers, ascending.
        throughs: the attention layers that carry values on, ascending.
        top: how many of the top tokens were looked at.
        concepts: how many tokens are concept tokens.
        n_vocab: how many tokens there are.
        signs: whether the value alone counts, or both its signs.
        count: concept tokens among the top ones, for both signs the larger count; -1 where the
            attention layer is not after the neuron's.
    """

    layers: list[int]
    throughs: list[int]
    top: int
    concepts: int
    n_vocab: int
    signs: str
    count: Int[Tensor, "layer neuron through"]

    def kept(self, more_than: int) -> pd.DataFrame:
        """Neurons with a count greater than M for some attention layer.

        Columns: layer, neuron, through (the first attention layer with the largest count),
        count; in order of layer and neuron.
        """
        best, where = self.count.max(-1).values, self.count.argmax(-1)  # argmax: the first of equals
        at, neuron = (best > more_than).nonzero(as_tuple=True)
        return pd.DataFrame(
            {
                "layer": torch.tensor(self.layers)[at].numpy(),
                "neuron": neuron.numpy(),
                "through": torch.tensor(self.throughs)[where[at, neuron]].numpy(),
                "count": best[at, neuron].long().numpy(),
            }
        )

    def pairs(self, more_than: int) -> list[Neuron]:
        """(layer, neuron) of the kept neurons, in order."""
        at, neuron = (self.count.max(-1).values > more_than).nonzero(as_tuple=True)
        return [(self.layers[i], n) for i, n in zip(at.tolist(), neuron.tolist(), strict=True)]

    def by_chance(self, more_than: int) -> float:
        """How many neurons would have a count greater than M if top tokens were drawn at random (an expected value).

        Every later attention layer, and every sign, is an independent draw; see `core.vocabulary.chance`.
        """
        share = share_above(more_than, self.n_vocab, self.concepts, self.top)
        draws = [sum(j > layer for j in self.throughs) * (2 if self.signs == "both" else 1) for layer in self.layers]
        return self.count.shape[1] * sum((any_above(share, n) for n in draws), 0.0)


@torch.no_grad()
def shallow_counts(
    lm: LoadedModel,
    layers: Iterable[int] = range(0, 4),
    top: int = 50,
    concepts: Sequence[int] | str | None = None,
    signs: str = "both",
    progress: Progress = silent,
) -> ShallowCounts:
    """Counts for every neuron of the layers and every later attention layer up to the one above them.

    Runs on the model's device. Both signs are counted and kept on disk in any case: asking for the other choice
    takes no time.

    Args:
        lm: the model.
        layers: the shallow layers.
        top: how many of the top tokens are looked at.
        concepts: token ids, or one of `core.vocabulary.concepts.CONCEPT_LISTS`; None: numbers and operators
            (`DEFAULT_LIST`).
        signs: "plus" counts the value only, "both" its negative too and takes the larger count (*choice*: the
            paper does not say; neurons of gated FFNs have coefficients of either sign).
        progress: told often; a `Stopped` goes on to the caller, for a part of the layers
            would look like neurons without concepts.

    Raises:
        UserError: for layers, signs or lists that do not exist, or no concepts.
    """
    shallow = _check_layers(lm, layers)
    if signs not in SIGNS:
        raise UserError(f"There is no choice of signs {signs!r}: use one of {', '.join(map(repr, SIGNS))}.")
    counter = _Counter(lm, top, ids := chosen_concepts(lm, concepts))
    throughs = list(range(shallow[0] + 1, shallow[-1] + 2))
    count = torch.full((len(shallow), lm.n_neurons, len(throughs)), NOT_COUNTED, dtype=torch.int16)
    pairs = [(layer, j) for j in throughs for layer in shallow if layer < j]
    for done, (layer, j) in enumerate(pairs):
        work = partial(counter.count, layer, j, part(progress, done, len(pairs)))
        counted = disk_cache.cached(counter.key(layer, j), work)
        larger = torch.maximum(counted["plus"], counted["minus"]) if signs == "both" else counted["plus"]
        count[shallow.index(layer), :, throughs.index(j)] = larger
        progress(done + 1, len(pairs))
    return ShallowCounts(shallow, throughs, top, len(ids), lm.n_vocab, signs, count)


class _Counter:
    """Counts the neurons of one layer through one attention layer."""

    def __init__(self, lm: LoadedModel, top: int, ids: list[int]):
        if not 1 <= top <= lm.n_vocab:
            raise UserError(f"The top {top} tokens cannot be looked at: choose 1 to {lm.n_vocab}.")
        self._lm, self._top, self._ids = lm, top, ids
        self._concept = torch.zeros(lm.n_vocab, device=lm.device)
        self._concept[ids] = 1.0
        self._map: tuple[int, OVMap] | None = None  # of one attention layer at a time

    def key(self, layer: int, through: int) -> dict:
        """What names a result on disk."""
        return {
            "fingerprint": self._lm.fingerprint,
            "precision": self._lm.precision,
            "what": "shallow counts",
            "layer": layer,
            "through": through,
            "top": self._top,
            "concepts": self._ids,
            "version": 2,  # 1 kept the larger count only
        }

    def count(self, layer: int, through: int, progress: Progress) -> dict[str, Tensor]:
        """The counts of every neuron, of the value ("plus") and of its negative ("minus")."""
        lm = self._lm
        if self._map is None or self._map[0] != through:
            self._map = through, OVMap.of(lm, through)
        out = []
        for _, some in column_blocks(lm.modules.neuron_writer(layer), _CHUNK // lm.n_vocab):
            carried = self._map[1].carry(some.T)  # (neuron, d_model)
            out.append(_count(project(lm, carried), self._concept, self._top).cpu())
            progress(0, 1)
        plus, minus = torch.cat(out, 1).to(torch.int16)
        return {"plus": plus, "minus": minus}


def _count(
    logits: Float[Tensor, "neuron vocab"], concept: Float[Tensor, " vocab"], top: int
) -> Float[Tensor, "sign neuron"]:
    ends = [logits.topk(top, largest=side, sorted=False).indices for side in (True, False)]
    return torch.stack([concept[end].sum(-1) for end in ends])


def _check_layers(lm: LoadedModel, layers: Iterable[int]) -> list[int]:
    shallow = sorted(set(layers))
    if not shallow or shallow[0] < 0 or shallow[-1] >= lm.n_layers - 1:
        raise UserError(f"Choose shallow layers between 0 and {lm.n_layers - 2}: an attention layer must follow.")
    return shallow
