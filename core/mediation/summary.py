"""Averages of the effects of many pairs, by layer and position group, and where the effect is located.

Position groups are in one of two groupings: by roles (operands, operator, last, others), or those of the notebook of
CMA's authors (`core.mediation.groups`). A cell of their figures is the mean IE over pairs (and
over a group's positions). IE has a heavy tail, so the geometric mean of IE + 1 is reported too, with its bootstrap
interval over pairs. Sums add log(IE + 1) over such cells; a cell below zero (the copied value makes the base's result
more likely) counts as zero, so that shares stay shares (*choice*; the authors': `core.mediation.importance`).
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pandas as pd
import torch

from core.forward.patching import Site
from core.mediation.effect import Average, PatchEffects
from core.mediation.groups import FIRST, GROUPS, LAST, SECOND, THIRD
from core.mediation.measure import Mediation
from core.mediation.pair_sums import pair_sums
from core.mediation.probability_changes import PROBABILITY_CHANGES
from core.statistics.intervals import bounds, samples

OPERANDS = (FIRST, SECOND, THIRD)


def by_position(found: Mediation, site: Site, grouping: str = "roles") -> pd.DataFrame:
    """One row per pair, layer and position: the columns of `IndirectEffects.to_frame`, pair, prompts, group.

    Raises:
        UserError: for an unknown grouping.
    """
    frames = []
    for number, (pair, effects) in enumerate(zip(found.pairs, found.effects[site], strict=True)):
        n_layers, n_pos = effects.effect.shape
        where = pd.DataFrame(
            {
                "pair": number,
                "base": pair.base,
                "alternative": pair.alternative,
                "layer": np.repeat(np.arange(n_layers), n_pos),
                "position": np.tile(np.arange(n_pos), n_layers),
                "token": effects.tokens * n_layers,
                "alternative_token": effects.alternative_tokens * n_layers,
                "group": list(pair.groups_by(grouping)) * n_layers,
            }
        )
        frames.append(where.join(PatchEffects.to_frame(effects)))
    return pd.concat(frames, ignore_index=True)


#: Columns of `cells` that are plain means of the columns of `by_position`.
_MEANS = ("wanted", "unwanted", "undesired", "change", *PROBABILITY_CHANGES)


def cells(found: Mediation, seed: int = 0, grouping: str = "roles") -> pd.DataFrame:
    """One row per site, layer and position group, in the order in which groups are shown.

    Columns: site, layer, group, mean (IE over pairs and positions), geometric mean, low and high (the interval of the
    geometric mean; NaN for one pair), wanted, unwanted and undesired (shares of prediction changes), metric, change
    (mean of the metric's change), the mean of each of `PROBABILITY_CHANGES`, values (how many were averaged).

    Args:
        found: the measured pairs.
        seed: of the bootstrap.
        grouping: of the positions, one of `core.mediation.groups.GROUPINGS`.

    Raises:
        UserError: for an unknown grouping.
    """
    out = pd.concat([_of_site(found, site, seed, grouping) for site in found.effects], ignore_index=True)
    order = {group: number for number, group in enumerate(ordered(out["group"].unique().tolist()))}
    out = out.sort_values(["site", "layer", "group"], key=lambda c: c.map(order) if c.name == "group" else c)
    first = ["site", "layer", "group", "mean", "geometric mean", "low", "high", "wanted", "unwanted", "undesired"]
    return out[[*first, "metric", "change", *PROBABILITY_CHANGES, "values"]].reset_index(drop=True)


def _of_site(found: Mediation, site: Site, seed: int, grouping: str) -> pd.DataFrame:
    frame = by_position(found, site, grouping)
    log = frame["log_effect"].astype(float)
    frame = frame.assign(mean=np.expm1(log), log=log).astype(dict.fromkeys(_MEANS, float))
    grouped = frame.groupby(["layer", "group"], sort=False)
    part = grouped[["mean", *_MEANS]].mean()
    part["geometric mean"], part["values"] = np.expm1(grouped["log"].mean()), grouped.size()
    out = part.reset_index().assign(site=site, metric=found.effects[site][0].metric)
    groups = [pair.groups_by(grouping) for pair in found.pairs]
    order = list(dict.fromkeys(group for mine in groups for group in mine))
    n_pairs = len(found.pairs)
    sampled = pair_sums(found, site, groups, order).logs("geometric mean", samples(n_pairs, seed))
    low, high = torch.expm1(bounds(sampled, n_pairs)).numpy()  # (layer, group)
    column = out["group"].map({group: number for number, group in enumerate(order)})
    return out.assign(low=low[out["layer"], column], high=high[out["layer"], column])


def ordered(groups: Sequence[str]) -> list[str]:
    """Position groups in the order in which they are shown; groups of typed prompts keep their order."""
    known = [g for g in GROUPS if g in groups]
    return known + [g for g in groups if g not in known]


def weight(effect: pd.Series) -> pd.Series:
    """log(IE + 1) of cells, at least 0: the terms of the sums."""
    return np.log1p(effect.clip(lower=0.0))


def is_late(layer: pd.Series, n_layers: int) -> pd.Series:
    """Whether layers are in the second half, layer >= L/2."""
    return layer >= n_layers / 2


@dataclass(frozen=True)
class Finding:
    """Where the FFNs' effect sits in the first and the second half of the layers (shares of log(IE + 1)).

    Attributes:
        early_operands: of the first half's sum, the share at operand positions.
        early_last: the share at the last position.
        late_operands: of the second half's sum.
        late_last: likewise.
        peak_operands: the layer with the largest weight at operands.
        peak_last: the layer with the largest weight at the last position.
    """

    early_operands: float
    early_last: float
    late_operands: float
    late_last: float
    peak_operands: int
    peak_last: int

    @property
    def holds(self) -> bool:
        """Whether operands outweigh the last position in early FFNs, and the last position operands in late ones."""
        return self.early_operands > self.early_last and self.late_last > self.late_operands


def finding(
    table: pd.DataFrame,
    n_layers: int,
    site: Site = "ffn",
    average: Average = "mean",
    groups: Sequence[str] = OPERANDS,
) -> Finding | None:
    """CMA's finding on one site's cells; None where no position is of these groups.

    Args:
        table: from `cells`.
        n_layers: of the model.
        site: whose cells.
        average: which column of the table.
        groups: the position groups that are compared with the last position.
    """
    mine = table[table["site"] == site]
    mine = mine.assign(weight=weight(mine[average]), late=is_late(mine["layer"], n_layers))
    asked, last = mine["group"].isin(groups), _is_last(mine)
    if not asked.any():
        return None
    shares = []
    for late in (False, True):
        half = mine["late"] == late
        total = float(mine.loc[half, "weight"].sum())
        shares += [_share(float(mine.loc[half & where, "weight"].sum()), total) for where in (asked, last)]
    peaks = [int(mine[where].groupby("layer")["weight"].sum().idxmax()) for where in (asked, last)]
    return Finding(
        early_operands=shares[0],
        early_last=shares[1],
        late_operands=shares[2],
        late_last=shares[3],
        peak_operands=peaks[0],
        peak_last=peaks[1],
    )


def _is_last(table: pd.DataFrame) -> pd.Series:
    groups = table["group"]
    return groups == (LAST if (groups == LAST).any() else groups.iloc[-1])


def _share(part: float, whole: float) -> float:
    return part / whole if whole > 0 else math.nan
