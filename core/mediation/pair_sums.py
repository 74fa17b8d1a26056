"""Sums of each pair's effects by layer and position group: what averages over pairs, and over resampled pairs, need.

A cell's average runs over pairs and over the positions of a group. Which pairs it runs over is a weight per pair: ones
for the measured sample, how often a pair was drawn for a bootstrap resample (`core.statistics.intervals`).
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.forward.patching import Site
from core.mediation.effect import Average
from core.mediation.measure import Mediation

#: Effects beyond this, also infinite ones, count as this large: their products with a weight of zero stay zero.
_LARGEST = 1e300


@dataclass(frozen=True)
class PairSums:
    """Effects of one site, summed within each pair.

    Attributes:
        groups: the position groups.
        log: sums of log(IE + 1).
        effect: sums of IE.
        count: positions of each group.
    """

    groups: list[str]
    log: Float[Tensor, "pair layer group"]
    effect: Float[Tensor, "pair layer group"]
    count: Float[Tensor, "pair group"]

    def logs(self, average: Average, weights: Float[Tensor, "sample pair"]) -> Float[Tensor, "sample layer group"]:
        """log(1 + average IE) of each cell for some samples of the pairs; NaN where a sample has no such position.

        Args:
            average: over pairs and positions.
            weights: how often each pair is in each sample.
        """
        count = (weights @ self.count)[:, None]
        summed = self.effect if average == "mean" else self.log
        cells = torch.einsum("sp,plg->slg", weights, summed) / count
        return torch.log1p(cells) if average == "mean" else cells


def pair_sums(found: Mediation, site: Site, groups: Sequence[Sequence[str]], order: Sequence[str]) -> PairSums:
    """The sums of a site.

    Args:
        found: the measured pairs.
        site: one that was measured.
        groups: the position group of each token of each pair.
        order: all groups.
    """
    number = {group: column for column, group in enumerate(order)}
    logs, effects, counts = [], [], []
    for mine, measured in zip(groups, found.effects[site], strict=True):
        columns = torch.tensor([number[group] for group in mine])
        log = measured.log_effect.double()  # (layer, pos)
        empty = torch.zeros(len(log), len(order), dtype=torch.float64)
        logs.append(empty.index_add(1, columns, log))
        effects.append(empty.index_add(1, columns, torch.expm1(log).clamp(max=_LARGEST)))
        counts.append(torch.bincount(columns, minlength=len(order)).double())
    return PairSums(list(order), torch.stack(logs), torch.stack(effects), torch.stack(counts))
