"""The relative importance of the late modules at the last position: ours, and as the authors' notebook computes it.

CMA §3 sums log(IE + 1) over cells, which are averages over pairs, and takes the share of the late FFNs at the last
position. The authors' notebook (alestolfo/lm-arithmetic, `plot-all-tokens.ipynb`) settles what the paper leaves open,
and ours differs in four ways:

- cells: theirs has six position groups for two operands, with the tokens before, between and after the operands apart
  (`core.mediation.groups`); the operator is one of those between. Ours has the operator apart and all others together.
- floor: theirs raises every cell to at least 0.1, which is where their colour scale begins. A cell without any effect
  then adds log 1.1, so the share depends on how many cells there are. Ours counts cells below zero as zero.
- embedding: theirs counts it as one more site, before layer 0, in the sum over all cells.
- late: theirs begins at row int((L + 1) / 2) of these L + 1 rows, which is layer int((L + 1) / 2) - 1; ours at L / 2.
  With the embedding in front, theirs has one late layer more.

Their cells are arithmetic means. The geometric mean, which a few pairs with huge effects do not dominate, is ours.
For attention their rows have no embedding, and the late half begins at int(L / 2).
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.errors import UserError
from core.forward.patching import Site
from core.mediation.effect import Average
from core.mediation.groups import LAST, OTHERS
from core.mediation.measure import Mediation
from core.mediation.pair_sums import pair_sums
from core.statistics.intervals import Estimate, estimate, samples

#: The least value of a cell in the authors' sums.
AUTHORS_FLOOR = 0.1


@dataclass(frozen=True)
class RelativeImportance:
    """Shares of the late modules at the last position, each with its bootstrap interval over pairs.

    Attributes:
        geometric: ours, of geometric means.
        mean: ours, of arithmetic means.
        authors: as the authors' notebook computes it; None where the prompts have no such position groups.
    """

    geometric: Estimate
    mean: Estimate
    authors: Estimate | None


def relative_importances(found: Mediation, n_layers: int, site: Site = "ffn", seed: int = 0) -> RelativeImportance:
    """The share of the late modules at the last position in the sum of log(IE + 1), computed in three ways.

    Args:
        found: the measured pairs, for the authors' share of the FFNs with the embedding.
        n_layers: of the model.
        site: CMA gives it for the FFNs.
        seed: of the bootstrap.
    """
    n_pairs = len(found.pairs)
    weights = samples(n_pairs, seed)
    ours = {}
    for average in ("geometric mean", "mean"):
        ours[average] = estimate(_ours(found, n_layers, site, average, weights), n_pairs)
    has_authors = has_authors_groups(found) and (site != "ffn" or "embedding" in found.effects)
    authors = estimate(authors_share(found, site, weights), n_pairs) if has_authors else None
    return RelativeImportance(ours["geometric mean"], ours["mean"], authors)


def has_authors_groups(found: Mediation) -> bool:
    """Whether the authors' position groups of all pairs are known; those of typed prompts are not."""
    groups = [pair.cma_groups for pair in found.pairs]
    return all(mine is not None and OTHERS not in mine for mine in groups)


def _ours(
    found: Mediation, n_layers: int, site: Site, average: Average, weights: Float[Tensor, "sample pair"]
) -> Float[Tensor, " sample"]:
    groups = [pair.groups for pair in found.pairs]
    order = list(dict.fromkeys(group for mine in groups for group in mine))
    sums = pair_sums(found, site, groups, order)
    cells = sums.logs(average, weights).clamp(min=0.0)  # (sample, layer, group)
    late = torch.arange(cells.shape[1]) >= n_layers / 2
    last = order.index(LAST if LAST in order else groups[0][-1])
    return _share(cells, late, last)


def authors_share(found: Mediation, site: Site, weights: Float[Tensor, "sample pair"]) -> Float[Tensor, " sample"]:
    """The authors' share for some samples of the pairs (see the module).

    Args:
        found: the measured pairs.
        site: whose modules; of FFNs with the embedding before them.
        weights: how often each pair is in each sample.

    Raises:
        UserError: where the embedding was not measured.
    """
    if site == "ffn" and "embedding" not in found.effects:
        raise UserError("The authors count the embedding as a site. Measure it too.")
    groups = [pair.groups_by("CMA") for pair in found.pairs]
    order = list(dict.fromkeys(group for mine in groups for group in mine))
    rows: list[Site] = ["embedding", site] if site == "ffn" else [site]
    logs = [pair_sums(found, each, groups, order).logs("mean", weights) for each in rows]
    floor = torch.log1p(torch.tensor(AUTHORS_FLOOR, dtype=torch.float64))
    cells = torch.cat(logs, dim=1).clamp(min=floor)  # (sample, row, group)
    late = torch.arange(cells.shape[1]) >= cells.shape[1] // 2
    return _share(cells, late, order.index(LAST))


def _share(cells: Float[Tensor, "sample row group"], late: Tensor, last: int) -> Float[Tensor, " sample"]:
    """The late rows' part at the last position; NaN where there is no effect at all."""
    present = cells.nan_to_num(nan=0.0, posinf=torch.inf)  # a resample may have no pair with such a position
    return present[:, late, last].sum(1) / present.sum((1, 2))


@dataclass(frozen=True)
class PrintedShare:
    """A relative importance of the FFNs that the authors' text prints."""

    model: str
    kind: str
    share: float
    n_pairs: int


#: Only the output of the notebook's one cell (`plot-all-tokens.ipynb`), a run of two pairs: "0.0807471590316264".
PRINTED = (PrintedShare("GPT-J", "other operands", 0.0807471590316264, 2),)


@dataclass(frozen=True)
class LargestPair:
    """How much one pair carries of the arithmetic mean of a module's effects at the last position.

    Attributes:
        layer: the layer with the largest mean there.
        pair: the number of the pair with the largest effect.
        share: its effect in the sum of all positive ones (*choice*: so it stays between 0 and 1).
    """

    layer: int
    pair: int
    share: float


def largest_pair(found: Mediation, site: Site) -> LargestPair | None:
    """The pair that carries most of the largest mean at the last position; None where no effect is positive."""
    last = torch.stack([torch.expm1(e.log_effect[:, -1].double()) for e in found.effects[site]])  # (pair, layer)
    layer = int(last.mean(0).argmax())
    mine = last[:, layer].clamp(min=0.0, max=1e300)
    if float(mine.max()) <= 0:
        return None
    return LargestPair(layer, int(mine.argmax()), float(mine.max() / mine.sum()))
