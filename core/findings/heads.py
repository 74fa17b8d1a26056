"""Heads that arithmetic needs: relative decreases, how many matter, how concentrated they are, and where.

A head *matters* where accuracy falls by a tenth or more without it. Concentration is the share of all heads' positive
decreases that the top head, or the top three, hold; *where* weights layers by these decreases. A case is one visible
answer token, the paper's scoring, and intervals are paired bootstraps over prompts. The top heads are chosen and
reported on the same prompts, which flatters them; with few prompts, decreases of heads that do nothing add to the sum
and make concentration look smaller.
"""

from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.findings.figures import Figure, Matrix, NotMeasurable, of_samples, share_of
from core.findings.settings import FindingsSettings
from core.heads.accuracy import sweep_accuracy
from core.model.load import LoadedModel
from core.progress import Progress
from core.prompts.arithmetic import Operation
from core.reading import strict
from core.statistics.intervals import bounds, relative_decreases
from core.types import Head

#: The least relative decrease of a head that matters.
MATTERS = 0.1


N_TOP = 4


@strict
@dataclass(frozen=True)
class TopHead:
    """A head with the relative decrease of accuracy without it."""

    layer: int
    head: int
    decrease: Figure

    @property
    def name(self) -> str:
        """As layer_head."""
        return f"{self.layer}_{self.head}"


@strict
@dataclass(frozen=True)
class HeadDecreases:
    """Relative decrease of accuracy without each head, for one operation and number of digits.

    Attributes:
        operation: `+ - * /`.
        digits: of the first operand.
        prompts: how many were asked.
        cases: their visible answer tokens.
        baseline: accuracy with no head ablated.
        decrease: by layer and head.
        low: lower ends of the intervals.
        high: upper ends.
        top: the heads with the largest decreases.
        matter: how many heads decrease accuracy by 10% or more.
        matter_surely: those of them whose interval is above 0.
        top_share: the top head's share of all positive decreases; None where no head decreases accuracy.
        top_three_share: that of the top three.
        depth: the mean layer, weighted by positive decreases: 0 the first, 1 the last.
        late: the share of positive decreases in the second half of the layers.
    """

    operation: Operation
    digits: int
    prompts: int
    cases: int
    baseline: Figure
    decrease: Matrix
    low: Matrix
    high: Matrix
    top: tuple[TopHead, ...]
    matter: int
    matter_surely: int
    top_share: Figure | None
    top_three_share: Figure | None
    depth: Figure | None
    late: Figure | None

    def that_matter(self) -> list[Head]:
        """(layer, head) of the heads that matter, in order."""
        rows = enumerate(self.decrease)
        return [(layer, head) for layer, row in rows for head, fall in enumerate(row) if fall >= MATTERS]


def measure_heads(
    lm: LoadedModel, settings: FindingsSettings, operation: Operation, digits: int, progress: Progress
) -> HeadDecreases:
    """Ablates every head, one at a time.

    Raises:
        NotMeasurable: where no answer token is predicted right.
    """
    prompts = settings.asked(operation, digits, settings.prompts)
    swept = sweep_accuracy(lm, prompts, progress)
    baseline, right = swept.right("tokens")
    if not baseline.any():
        raise NotMeasurable(
            f"No answer token of {len(prompts)} prompts of {digits}-digit {operation} is predicted right, so no head "
            "can decrease accuracy."
        )
    units = [number for number, seen in zip(swept.token_prompt, swept.token_visible, strict=True) if seen]
    falls = relative_decreases(baseline, right, units, settings.seed)  # (sample, layer, head)
    n = len(prompts)
    low, high = bounds(falls, n)
    order = falls[0].flatten().argsort(descending=True, stable=True)[:N_TOP].tolist()
    places = [divmod(place, lm.n_heads) for place in order]
    matter = falls[0] >= MATTERS
    return HeadDecreases(
        operation=operation,
        digits=digits,
        prompts=n,
        cases=len(baseline),
        baseline=share_of(int(baseline.sum()), len(baseline)),
        decrease=as_matrix(falls[0]),
        low=as_matrix(low),
        high=as_matrix(high),
        top=tuple(TopHead(layer, head, of_samples(falls[:, layer, head], n, "")) for layer, head in places),
        matter=int(matter.sum()),
        matter_surely=int((matter & (low > 0)).sum()),
        **_shape(falls, n),
    )


def as_matrix(values: Float[Tensor, "layer head"]) -> Matrix:
    """Numbers by layer and head, as they are written to a file."""
    return tuple(tuple(row) for row in values.tolist())


def _shape(falls: Float[Tensor, "sample layer head"], n_units: int) -> dict[str, Figure | None]:
    """How concentrated positive decreases are, and where."""
    positive = falls.clamp(min=0.0)
    n_layers = positive.shape[1]
    total = positive.flatten(1).sum(1)
    best = positive.flatten(1).topk(min(3, positive[0].numel())).values  # of each resample its own
    layers = torch.arange(n_layers, dtype=positive.dtype)
    by_layer = positive.sum(2)
    parts = {
        "top_share": best[:, 0],
        "top_three_share": best.sum(1),
        "depth": by_layer @ layers / max(1, n_layers - 1),
        "late": by_layer[:, layers >= n_layers / 2].sum(1),
    }
    shares = {name: torch.where(total > 0, part / total, torch.nan) for name, part in parts.items()}
    return {
        name: None if bool(values[0].isnan()) else of_samples(values, n_units, "") for name, values in shares.items()
    }
