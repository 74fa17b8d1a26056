"""The paragraph that a teacher can read out: what both bundled models have in common on a sum, and what not."""

from core.findings.figures import Figure
from core.findings.side_by_side import Beside, SideBySide, beside
from pages.shared.claims.estimates import share
from pages.shared.words import code, listed, mono, percent
from pages.two_models.tables import WHICH
from pages.two_models.words import DIGITS, OPERATION, largest_set


def paragraph(both: SideBySide) -> str:
    """About 100 words to read out: what the two models have in common on a sum, and what they do not."""
    told = [
        "Two small models of the same size learned sums. Training pushed the *shaped* one towards the paper's picture; "
        "the *plain* one only learned to predict the next token.",
        _answers(both),
        _top_heads(both),
        _masked(both),
        _flows(both),
        _alike(both),
    ]
    return " ".join(sentence for sentence in told if sentence)


def _answers(both: SideBySide) -> str:
    sums = {made: found.one_sum for made, found in both.each.items() if found.one_sum is not None}
    if len(sums) < 2:
        return ""
    prompt, answer = mono(sums["shaped"].prompt), sums["shaped"].answer
    if all(one.right for one in sums.values()):
        return f"Both answer {prompt} with {answer}."
    said = [f"the {made} model says {answer if one.right else code(one.predicted)}" for made, one in sums.items()]
    return f"To {prompt}, {listed(said)}."


def _short(figure: Figure) -> str:
    return share(figure.estimate, 2)


def _top_heads(both: SideBySide) -> str:
    shaped, plain = (found.heads_of(OPERATION, DIGITS) for found in both.each.values())
    if shaped is None or plain is None:
        return ""
    first, second = shaped.top[0], plain.top[0]
    return (
        f"Without its most important head, the shaped model ({first.name}) loses {_short(first.decrease)} of its "
        f"right digits in one-digit sums, and the plain one ({second.name}) {_short(second.decrease)}."
    )


def _masked(both: SideBySide) -> str:
    k = max(both.shaped.settings.ks)
    shaped, plain = (found.neuron_set_of(OPERATION, WHICH, k) for found in both.each.values())
    if shaped is None or plain is None:
        return ""
    return f"Without the {k} neurons behind it, {_short(shaped.mask)} and {_short(plain.mask)} of right answers fail."


def _flows(both: SideBySide) -> str:
    shaped, plain = (found.mediation_of("other operands") for found in both.each.values())
    if shaped is None or plain is None:
        return ""
    return (
        f"Early FFNs have {percent(shaped.early_asked.value, 2)} and {percent(plain.early_asked.value, 2)} of "
        f"their effect at the operands, late ones {percent(shaped.late_last.value, 2)} and "
        f"{percent(plain.late_last.value, 2)} at the last position."
    )


def compared(both: SideBySide) -> dict[str, Beside]:
    """The headline questions that have an answer on both models: what the plain model's is beside the shaped one's."""
    pairs: dict[str, tuple[Figure | None, Figure | None]] = {}
    heads = [found.heads_of(OPERATION, DIGITS) for found in both.each.values()]
    if heads[0] is not None and heads[1] is not None:
        pairs["what the top head is worth"] = (heads[0].top[0].decrease, heads[1].top[0].decrease)
    sets = [found.neuron_set_of(OPERATION, WHICH, max(found.settings.ks)) for found in both.each.values()]
    if sets[0] is not None and sets[1] is not None:
        pairs["what its neurons are worth"] = (sets[0].mask, sets[1].mask)
    flows = [found.mediation_of("other operands") for found in both.each.values()]
    if flows[0] is not None and flows[1] is not None:
        pairs["the place of early FFNs"] = (flows[0].early_asked, flows[1].early_asked)
        pairs["the place of late FFNs"] = (flows[0].late_last, flows[1].late_last)
    sets_of = [largest_set(found) for found in both.each.values()]
    if sets_of[0] is not None and sets_of[1] is not None:
        pairs["what shallow neurons are worth"] = (sets_of[0].excess, sets_of[1].excess)
    if both.shaped.skew is not None and both.plain.skew is not None:
        pairs["the skew of professions"] = (both.shaped.skew.total, both.plain.skew.total)
    return {name: beside(a, b) for name, (a, b) in pairs.items() if a is not None and b is not None}


def _alike(both: SideBySide) -> str:
    found = compared(both)
    differ = [name for name, how in found.items() if how != "cannot tell"]
    alike = [name for name, how in found.items() if how == "cannot tell"]
    if not found:
        return ""
    if not differ:
        return f"In none of {len(found)} questions do they clearly differ."
    told = f"In {len(differ)} of {len(found)} questions they clearly differ"
    told += f", but not in {listed(alike)}." if alike else "."
    return f"{told} What only the shaped model shows may come from its shaping."
