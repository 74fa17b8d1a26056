"""Rules that set a model's findings beside the papers': agrees, differs, or cannot tell, from numbers alone.

A statement of a paper is turned into a bar, which was fixed before the plain model was measured. Where the whole 95%
interval is on the paper's side of the bar, the model agrees; where all of it is on the other side, it differs;
otherwise these prompts cannot tell. A figure without an interval never tells. Papers: CNA (arXiv 2409.14144) and
CMA (arXiv 2305.15054).
"""

from collections.abc import Iterator
from dataclasses import dataclass

from core.findings.figures import Figure
from core.findings.heads import HeadDecreases
from core.findings.record import Findings
from core.findings.shallow import ShallowFilter
from core.findings.side_by_side import Beside, beside
from core.mediation.location import Verdict

#: In tables 24 and 25 of the CNA paper the top head of one-digit sums lowers accuracy by 46%, of differences by 62%.
DECIDES = 0.3
CONCENTRATED = 0.5
MIDDLE = (1 / 3, 2 / 3)
MASK, KEEP = 0.8, 0.3
SURE = 0.05


@dataclass(frozen=True)
class Claim:
    """One statement of a paper beside one measurement.

    Attributes:
        paper: what the paper found.
        ours: what was measured, in numbers.
        verdict: by the rule.
    """

    paper: str
    ours: str
    verdict: Verdict


def claims(findings: Findings) -> list[Claim]:
    """Every statement that could be compared."""
    return [claim for rule in _RULES for claim in rule(findings)]


def above(found: Figure, bar: float) -> Verdict:
    """Whether a figure is above a bar, as far as its interval tells."""
    if found.low is None or found.high is None:
        return "cannot tell"
    if found.low > bar:
        return "agrees"
    return "differs" if found.high < bar else "cannot tell"


def within(found: Figure, bars: tuple[float, float]) -> Verdict:
    """Whether a figure is between two bars."""
    if found.low is None or found.high is None:
        return "cannot tell"
    if bars[0] <= found.low and found.high <= bars[1]:
        return "agrees"
    return "differs" if found.high < bars[0] or found.low > bars[1] else "cannot tell"


def both(first: Verdict, second: Verdict) -> Verdict:
    """The verdict on two things of which the paper says both."""
    if "differs" in (first, second):
        return "differs"
    return "agrees" if (first, second) == ("agrees", "agrees") else "cannot tell"


def opposite(verdict: Verdict) -> Verdict:
    """The verdict on a figure that should be below a bar, from that on being above it."""
    return {"agrees": "differs", "differs": "agrees", "cannot tell": "cannot tell"}[verdict]  # type: ignore[return-value]


def _one_digit(findings: Findings) -> Iterator[HeadDecreases]:
    return (heads for heads in findings.heads if heads.digits == 1)


def _deciding(findings: Findings) -> Iterator[Claim]:
    for heads in _one_digit(findings):
        if heads.operation in "+-":
            top = heads.top[0]
            yield Claim(
                f"One head decides one-digit {heads.operation}: without it accuracy falls by far more than a tenth "
                f"(bar: {DECIDES:.0%}).",
                f"{top.name}: {top.decrease.percent()}; {heads.matter} heads lower accuracy by 10% or more",
                above(top.decrease, DECIDES),
            )


def _concentrated(findings: Findings) -> Iterator[Claim]:
    for heads in _one_digit(findings):
        if heads.top_three_share is not None:
            yield Claim(
                f"Few heads do one-digit {heads.operation} (bar: the top three hold at least half of all decreases).",
                f"the top three hold {heads.top_three_share.percent()}",
                above(heads.top_three_share, CONCENTRATED),
            )


def _middle(findings: Findings) -> Iterator[Claim]:
    for heads in _one_digit(findings):
        if heads.depth is not None:
            yield Claim(
                f"The heads of one-digit {heads.operation} are in the middle layers (bar: the middle third).",
                f"at {heads.depth.percent()} of the depth",
                within(heads.depth, MIDDLE),
            )


def _operations(findings: Findings) -> Iterator[Claim]:
    """No interval: the verdict needs every top head's own interval to lie above that of its runner-up."""
    heads = {one.operation: one for one in _one_digit(findings)}
    if len(heads) < 4:
        return
    tops = {operation: one.top[0].name for operation, one in heads.items()}
    like = tops["+"] == tops["-"] and tops["*"] not in (tops["+"], tops["/"]) and tops["/"] != tops["+"]
    sure = all(_leads(one) for one in heads.values())
    yield Claim(
        "Sums and differences share their top head; products and ratios have others.",
        ", ".join(f"{operation} {name}" for operation, name in tops.items()),
        "cannot tell" if not sure else "agrees" if like else "differs",
    )


def _leads(heads: HeadDecreases) -> bool:
    if len(heads.top) < 2:
        return True
    first, second = (head.decrease for head in heads.top[:2])
    return first.low is not None and second.high is not None and first.low > second.high


def _mask_keep(findings: Findings) -> Iterator[Claim]:
    most = max(findings.settings.ks)
    for sets in findings.neuron_sets:
        if sets.which == "top head" and sets.k == most and sets.operation in "+-":
            yield Claim(
                f"The top {sets.k} neurons carry one-digit {sets.operation}: masking them loses at least {MASK:.0%} of "
                f"answers, keeping only them at most {KEEP:.0%}.",
                f"masking {sets.mask.percent()}, keeping {sets.keep.percent()}",
                both(above(sets.mask, MASK), opposite(above(sets.keep, KEEP))),
            )


def layers_of(found: ShallowFilter) -> str:
    """Its layers: "layers 0 to 2", or "layer 1"."""
    first, last = found.layers[0], found.layers[-1]
    return f"layer {first}" if first == last else f"layers {first} to {last}"


def _filter(findings: Findings) -> Iterator[Claim]:
    for found in findings.filters:
        verdict = above(found.excess, 0.0)
        yield Claim(
            "Shallow neurons that the vocabulary filter finds matter to arithmetic more than random ones (bar: the "
            f"interval of the difference, and p at most {SURE}).",
            f"{layers_of(found)}, {found.neurons} neurons: {found.decrease.percent()} "
            f"against {found.random.percent()}, p = {found.p_value:.2f}",
            "cannot tell" if verdict == "agrees" and found.p_value > SURE else verdict,
        )


def _located(findings: Findings) -> Iterator[Claim]:
    found = findings.mediation_of("other operands")
    if found is not None:
        yield Claim(
            "Early FFNs carry the operands at the operands' positions, late ones the result at the last position.",
            f"early: {found.early_asked.percent()} at operands, {found.early_last.percent()} at the last position; "
            f"late: {found.late_asked.percent()} and {found.late_last.percent()}",
            found.verdict,
        )


def _late_ffns(findings: Findings) -> Iterator[Claim]:
    sums = findings.mediation_of("other operands")
    for task in ("number retrieval", "facts"):
        other = findings.mediation_of(task)
        if sums is not None and other is not None:
            yield Claim(
                f"Late FFNs at the last position matter more to arithmetic than to {task}.",
                f"arithmetic {sums.late_importance.percent()}, {task} {other.late_importance.percent()}",
                _more(sums.late_importance, other.late_importance),
            )


def _more(first: Figure, second: Figure) -> Verdict:
    """Whether the first figure is higher, as far as intervals that do not overlap tell."""
    verdicts: dict[Beside, Verdict] = {"higher": "agrees", "lower": "differs", "cannot tell": "cannot tell"}
    return verdicts[beside(second, first)]


def _adapters(findings: Findings) -> Iterator[Claim]:
    half = findings.model.shape[0] / 2
    early = [a for a in findings.adapters if a.layer < half]
    late = [a for a in findings.adapters if a.layer >= half]
    if early and late:
        best = [max(some, key=lambda a: a.accuracy.value) for some in (early, late)]
        yield Claim(
            "LoRA on an early attention layer teaches more than on a late one (the best of each half).",
            f"layer {best[0].layer}: {best[0].accuracy.percent()}, layer {best[1].layer}: {best[1].accuracy.percent()}",
            _more(best[0].accuracy, best[1].accuracy),
        )


def _skew(findings: Findings) -> Iterator[Claim]:
    if findings.skew is not None:
        yield Claim(
            "Professions are more likely after their own gender.",
            f"mean log ratio {_interval(findings.skew.total)} nats over {findings.skew.professions} professions",
            above(findings.skew.total, 0.0),
        )


def _interval(found: Figure) -> str:
    return f"{found.value:.2f}" + ("" if found.low is None else f" [{found.low:.2f}, {found.high:.2f}]")


_RULES = (
    _deciding,
    _concentrated,
    _middle,
    _operations,
    _mask_keep,
    _filter,
    _located,
    _late_ffns,
    _adapters,
    _skew,
)
