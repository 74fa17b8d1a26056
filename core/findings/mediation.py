"""Where causal mediation locates arithmetic and two other tasks: shares of the FFNs' effects, with intervals (CMA §3).

Geometric means over pairs throughout, except where an arithmetic mean is named: a few pairs with huge effects dominate
those. A relative importance of the late FFNs says where copied values change the result, not where it is computed.
"""

from dataclasses import dataclass
from typing import Literal

from core.findings.figures import Figure, NotMeasurable, measured
from core.findings.settings import FindingsSettings
from core.mediation.groups import DIFFERING
from core.mediation.location import Verdict, locate
from core.mediation.study import DrawnPairs, measure_pairs
from core.model.load import LoadedModel
from core.progress import Progress
from core.reading import strict
from core.statistics.intervals import Estimate

#: Kinds of pairs: two operands, number retrieval ("Paul has 3 pens ..."), facts.
MediationTask = Literal["other operands", "number retrieval", "facts"]


TASKS: tuple[MediationTask, ...] = ("other operands", "number retrieval", "facts")


@strict
@dataclass(frozen=True)
class MediationShares:
    """Shares of the FFNs' effects in log(IE + 1), for one kind of pair.

    Attributes:
        task: what differs between the prompts of a pair.
        pairs: how many were measured.
        asked: how many were wanted; fewer are measured where the model answers fewer right.
        late_importance: the share of the late FFNs at the last position in all of it.
        late_importance_mean: the same of arithmetic means.
        late_importance_authors: as the authors' notebook computes it.
        early_asked: of the first half of the layers, the share at the positions where the prompts differ (operands,
            the asked thing, or the subject).
        early_last: of the first half, the share at the last position.
        late_asked: of the second half, likewise.
        late_last: likewise.
        early_lead: early_asked less early_last.
        late_lead: late_last less late_asked.
        verdict: whether the effect is at those positions early and at the last one late, as far as intervals tell.
    """

    task: MediationTask
    pairs: int
    asked: int
    late_importance: Figure
    late_importance_mean: Figure
    late_importance_authors: Figure | None
    early_asked: Figure
    early_last: Figure
    early_lead: Figure
    late_asked: Figure
    late_last: Figure
    late_lead: Figure
    verdict: Verdict


def measure_mediation(
    lm: LoadedModel, settings: FindingsSettings, task: MediationTask, progress: Progress
) -> MediationShares:
    """Draws pairs, copies every FFN's value, and sums the effects.

    Raises:
        UserError: where the model answers no such pair right, or no copied value has an effect.
    """
    drawn = DrawnPairs(kind=task, count=settings.pairs, operations=settings.operations, seed=settings.seed)
    found = measure_pairs(lm, drawn, progress)
    importance = found.importance["ffn"]
    where = locate(found.found, lm.n_layers, "ffn", "geometric mean", DIFFERING[task], seed=settings.seed)
    if where is None:
        raise NotMeasurable(f"The tokenizer does not tell where the prompts of {task} differ.")

    def there(value: Estimate) -> Figure:
        return measured(value, f"No copied value has an effect on {task}.")

    return MediationShares(
        task=task,
        pairs=len(found.found.pairs),
        asked=settings.pairs,
        late_importance=there(importance.geometric),
        late_importance_mean=there(importance.mean),
        late_importance_authors=None if importance.authors is None else Figure.of(importance.authors),
        early_asked=there(where.early_asked),
        early_last=there(where.early_last),
        early_lead=there(where.early_lead),
        late_asked=there(where.late_asked),
        late_last=there(where.late_last),
        late_lead=there(where.late_lead),
        verdict=where.verdict,
    )
