"""Where one site's effect sits, in the first and the second half of the layers, with intervals over the pairs.

CMA's finding is that early FFNs carry the operands at the operands' positions and late ones at the last position. Here
it is two differences of shares, each with a bootstrap interval over pairs (`core.statistics.intervals`); a share is of
the sum of log(IE + 1) over one half's cells, of which those below zero count as zero, as in `core.mediation.summary`.

*Choice*: the finding agrees where both intervals lie above zero, and differs where one lies below. It misleads with a
handful of pairs, whose bootstrap is too narrow, and where a half has next to no effect: shares of little are shares
too.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Float
from torch import Tensor

from core.forward.patching import Site
from core.mediation.effect import Average
from core.mediation.groups import FIRST, LAST, SECOND, THIRD
from core.mediation.measure import Mediation
from core.mediation.pair_sums import pair_sums
from core.statistics.intervals import Estimate, estimate, samples

OPERANDS = (FIRST, SECOND, THIRD)

#: How a finding of a paper compares with what is measured.
Verdict = Literal["agrees", "differs", "cannot tell"]


@dataclass(frozen=True)
class Location:
    """Shares of a site's effect by half of the layers; "asked" are the positions at which the two prompts differ.

    Attributes:
        early_asked: of the first half's sum, the share at the asked positions.
        early_last: the share at the last position.
        early_lead: the first minus the second.
        late_asked: of the second half's sum.
        late_last: likewise.
        late_lead: the share at the last position minus that at the asked ones.
        peak_asked: the layer with the largest weight at the asked positions.
        peak_last: the layer with the largest weight at the last position.
    """

    early_asked: Estimate
    early_last: Estimate
    early_lead: Estimate
    late_asked: Estimate
    late_last: Estimate
    late_lead: Estimate
    peak_asked: int
    peak_last: int

    @property
    def verdict(self) -> Verdict:
        """Whether the effect is at the asked positions early and at the last one late, as far as the intervals tell."""
        leads = (self.early_lead, self.late_lead)
        if any(lead.high < 0 for lead in leads):
            return "differs"
        return "agrees" if all(lead.low > 0 for lead in leads) else "cannot tell"


def locate(
    found: Mediation,
    n_layers: int,
    site: Site = "ffn",
    average: Average = "mean",
    groups: Sequence[str] = OPERANDS,
    grouping: str = "roles",
    seed: int = 0,
) -> Location | None:
    """Where a site's effect is located; None where no position is of these groups.

    Args:
        found: the measured pairs.
        n_layers: of the model.
        site: one that was measured at every layer.
        average: over pairs and positions.
        groups: the asked positions, compared with the last one.
        grouping: of the positions, one of `core.mediation.groups.GROUPINGS`.
        seed: of the bootstrap.

    Raises:
        UserError: for an unknown grouping.
    """
    mine = [pair.groups_by(grouping) for pair in found.pairs]
    order = list(dict.fromkeys(group for each in mine for group in each))
    asked = [column for column, group in enumerate(order) if group in groups]
    if not asked:
        return None
    last = order.index(LAST if LAST in order else mine[0][-1])
    n_pairs = len(found.pairs)
    logs = pair_sums(found, site, mine, order).logs(average, samples(n_pairs, seed))
    weights = logs.nan_to_num(nan=0.0, posinf=torch.inf).clamp(min=0.0)  # a resample may lack a position
    at_asked, at_last, whole = weights[:, :, asked].sum(2), weights[:, :, last], weights.sum(2)  # (sample, layer)
    late = torch.arange(n_layers) >= n_layers / 2
    shares = {
        (half, where): part[:, layers].sum(1) / whole[:, layers].sum(1)
        for half, layers in (("early", ~late), ("late", late))
        for where, part in (("asked", at_asked), ("last", at_last))
    }

    def told(values: Float[Tensor, " sample"]) -> Estimate:
        return estimate(values, n_pairs)

    return Location(
        early_asked=told(shares["early", "asked"]),
        early_last=told(shares["early", "last"]),
        early_lead=told(shares["early", "asked"] - shares["early", "last"]),
        late_asked=told(shares["late", "asked"]),
        late_last=told(shares["late", "last"]),
        late_lead=told(shares["late", "last"] - shares["late", "asked"]),
        peak_asked=int(at_asked[0].argmax()),
        peak_last=int(at_last[0].argmax()),
    )
