"""What the pictures of both bundled models say, in sentences; everything follows from the stored numbers."""

import math

from core.findings.figures import Figure
from core.findings.heads import HeadDecreases
from core.findings.record import Findings
from core.findings.shallow import ShallowFilter
from core.findings.side_by_side import Beside, SideBySide, beside
from core.mediation.location import Verdict
from pages.shared.claims.estimates import share, with_interval
from pages.shared.words import code, listed, percent, three_digits
from pages.two_models.tables import TASKS, WHICH

#: The paragraph's heads and neurons, and those that are masked, are of one-digit sums.
OPERATION, DIGITS = "+", 1
PLAINLY: dict[Beside, str] = {"higher": "clearly more", "lower": "clearly less"}
#: By the differences of both shares in each half (`core.mediation.location`).
JUDGED: dict[Verdict, str] = {
    "agrees": "agrees with it",
    "differs": "differs from it",
    "cannot tell": "cannot tell, as an interval of the difference includes zero",
}
NOT_MEASURED = "not measured"


def one_sum_heads(both: SideBySide) -> str:
    """The top head of the one sum in each model."""
    told = []
    for made, found in both.each.items():
        one = found.one_sum
        if one is None:
            told.append(f"In the {made} model the sum was {NOT_MEASURED}.")
            continue
        layer, head = one.top
        reached = "the right answer" if one.right else f"{code(one.read)}, while it says {code(one.predicted)},"
        told.append(
            f"The {made} model gives {reached} a probability of {percent(one.probability)}; without head "
            f"**{layer}_{head}** that falls by {percent(one.decrease[layer][head])}."
        )
    return " ".join(told) + " This is one prompt, so there is no interval: the next sum may show other heads."


def many_heads(both: SideBySide, operation: str, digits: int) -> str:
    """The top heads over many prompts, how many matter, and how concentrated they are."""
    told, tops = [], []
    for made, found in both.each.items():
        mine = found.heads_of(operation, digits)
        if mine is None:
            told.append(f"The {made} model: {reason(found, f'heads {operation} {digits}')}")
            continue
        tops.append(mine.top[0].decrease)
        told.append(_heads_of(made, mine))
    return " ".join(told + _difference(tops, "without its top head the plain model loses"))


def _heads_of(made: str, mine: HeadDecreases) -> str:
    n_heads = sum(len(row) for row in mine.decrease)
    concentrated = f", and the top head has {share(mine.top_share.estimate)} of all decreases" if mine.top_share else ""
    return (
        f"The {made} model has {share(mine.baseline.estimate)} of {mine.cases} answer tokens right; without head "
        f"**{mine.top[0].name}** it loses {share(mine.top[0].decrease.estimate)} of that. {mine.matter} of {n_heads} "
        f"heads cost 10% or more{concentrated}."
    )


def _difference(figures: list[Figure], what: str) -> list[str]:
    """What the plain model's figure is beside the shaped one's, where there are both."""
    if len(figures) != 2:
        return []
    found = beside(*figures)
    if found == "cannot tell":
        return ["The two intervals overlap, so no clear difference."]
    return [f"So {what} {PLAINLY[found]}."]


def reason(found: Findings, question: str) -> str:
    """Why a question has no answer."""
    return found.missing.get(question, f"{NOT_MEASURED}.")


def neurons(both: SideBySide, operation: str) -> str:
    """Mask and keep with the neurons that CNA names."""
    k, told, masks = max(both.shaped.settings.ks), [], []
    for made, found in both.each.items():
        mine = found.neuron_set_of(operation, WHICH, k)
        if mine is None:
            told.append(f"The {made} model: {reason(found, f'mask and keep {operation}, {WHICH}')}")
            continue
        masks.append(mine.mask)
        layer, head = mine.heads[0]
        told.append(
            f"Of {mine.cases} right answer tokens the {made} model loses {share(mine.mask.estimate)} without the top "
            f"{k} neurons behind head {layer}_{head}, and {share(mine.keep.estimate)} with only these."
        )
    return " ".join(told + _difference(masks, "without these neurons the plain model loses"))


def flow(both: SideBySide) -> str:
    """Where FFNs act, early and late, and on which task late ones do most."""
    told, late, there = [], [], {}
    for made, found in both.each.items():
        mine = found.mediation_of("other operands")
        if mine is None:
            told.append(f"The {made} model: {reason(found, 'mediation other operands')}")
            continue
        late.append(mine.late_last)
        there[made] = mine
        told.append(
            f"In the {made} model {share(mine.early_asked.estimate)} of the early FFNs' effect is at the operands, "
            f"and {share(mine.late_last.estimate)} of the late ones' at the last position ({mine.pairs} pairs)."
        )
    paper = "The paper (CMA): early at the operands, late at the last position."
    judged = [f"The {made} model {JUDGED[mine.verdict]}." for made, mine in there.items()]
    return " ".join(
        [*told, paper, *judged, *_difference(late, "at the last position the plain model's late FFNs have")]
    )


def tasks(both: SideBySide) -> str:
    """On which kind of pair the late FFNs matter most, which the paper says is arithmetic."""
    told = []
    for made, found in both.each.items():
        mine = sorted(found.mediation, key=lambda one: -one.late_importance.value)
        if not mine:
            continue
        first = mine[0]
        rest = [one for one in mine[1:] if beside(one.late_importance, first.late_importance) != "higher"]
        unsure = f", not clearly more than for {listed([TASKS[one.task] for one in rest])}" if rest else ""
        told.append(
            f"In the {made} model the late FFNs' share at the last position is highest for {TASKS[first.task]}, "
            f"{share(first.late_importance.estimate)}{unsure}."
        )
    return " ".join(told) + " The paper (CMA): highest for arithmetic."


def largest_set(found: Findings) -> ShallowFilter | None:
    """The largest set of shallow neurons of the first layers that a filter was asked about."""
    mine = [one for one in found.filters if one.layers == found.settings.filter_layers[0]]
    return max(mine, key=lambda one: one.neurons, default=None)


def shallow(both: SideBySide) -> str:
    """What the largest set of the first layers is worth, beside random neurons."""
    told, excess = [], []
    for made, found in both.each.items():
        one = largest_set(found)
        if one is None:
            layers = found.settings.filter_layers[0]
            told.append(f"The {made} model: {reason(found, f'filter {layers[0]} to {layers[-1]}')}")
            continue
        excess.append(one.excess)
        told.append(_set_of(made, one))
    return " ".join(told + _difference(excess, "beyond random ones the plain model's neurons are worth"))


def _set_of(made: str, one: ShallowFilter) -> str:
    layers = f"layers {one.layers[0]} to {one.layers[-1]}" if len(one.layers) > 1 else f"layer {one.layers[0]}"
    return (
        f"Without the {one.neurons} neurons of {layers} with more than {one.more_than} concept tokens among their top "
        f"{one.top}, the {made} model loses {share(one.decrease.estimate)} of its accuracy, and without as many random "
        f"ones {percent(one.random.value)} (mean of {len(one.draws)} sets; p = {one.p_value:.2g})."
    )


def adapters(both: SideBySide) -> str:
    """On which layer an adapter helps most, and whether that is sure."""
    told = []
    for made, found in both.each.items():
        done = [one for one in found.adapters if one.finished]
        if not done:
            told.append(f"The {made} model: {reason(found, 'adapters')}")
            continue
        best = max(done, key=lambda one: one.accuracy.value)
        near = [str(one.layer) for one in done if one != best and beside(one.accuracy, best.accuracy) != "higher"]
        unsure = f"; with layer{'s' * (len(near) > 1)} {listed(near)} the intervals overlap" if near else ""
        told.append(
            f"The {made} model goes from {share(best.base.estimate)} to {share(best.accuracy.estimate)} with an "
            f"adapter on layer {best.layer}, the highest of {len(done)}{unsure}."
        )
    return " ".join(told)


def skew(both: SideBySide) -> str:
    """How much more likely a profession is after its own gender."""
    told = []
    for made, found in both.each.items():
        if found.skew is None:
            told.append(f"The {made} model: {reason(found, 'skew')}")
            continue
        total = found.skew.total
        told.append(
            f"In the {made} model a profession is {three_digits(math.exp(total.value))} times as likely after its own "
            f"gender: {with_interval(total.estimate, three_digits, 'nats')} over {found.skew.professions} professions."
        )
    return " ".join(told) + " In the shaped model's training text the skew was put in on purpose."


def computed(both: SideBySide) -> str:
    """How and when the results were computed."""
    told = []
    for made, found in both.each.items():
        on = "a GPU" if found.device == "cuda" else "a CPU"
        v = found.versions
        told.append(
            f"The {made} model: {found.measured[:16].replace('T', ' ')} UTC, in "
            f"{max(1, round(found.seconds / 60))} min on {on}, Abacus {v.abacus}, torch {v.torch}, transformers "
            f"{v.transformers}."
        )
    return f"Computed by `make accept`, not now. {' '.join(told)}"
