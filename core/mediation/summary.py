"""Averages of the effects of many pairs, by layer and position group.

Position groups are in one of two groupings: by roles (operands, operator, last, others), or those of the notebook of
CMA's authors (`core.mediation.groups`). A cell of their figures is the mean IE over pairs (and
over a group's positions). IE has a heavy tail, so the geometric mean of IE + 1 is reported too, with its bootstrap
interval over pairs. Sums add log(IE + 1) over such cells; a cell below zero (the copied value makes the base's result
more likely) counts as zero, so that shares stay shares (*choice*; the authors': `core.mediation.importance`).
"""

from collections.abc import Sequence

import numpy as np
import pandas as pd
import torch

from core.forward.patching import Site
from core.mediation.effect import PatchEffects
from core.mediation.groups import GROUPS
from core.mediation.measure import Mediation
from core.mediation.pair_sums import pair_sums
from core.mediation.probability_changes import PROBABILITY_CHANGES
from core.statistics.intervals import bounds, samples


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
