"""What the plain model is asked for its card, and the aims that its issue set before it was trained."""

from core.findings.accuracy import Asked
from core.findings.record import Findings
from core.prompts.arithmetic import OPERATIONS
from training import sentences
from training.plain.heldout import MEASURED, questions, retrieval

COUNT = 300
RETRIEVAL, FACTS = "number retrieval", "facts (trained on)"

#: Least share of right answers, by name of the group.
AIMS = {
    **{f"1-digit {operation}": 0.98 for operation in OPERATIONS},
    "2-digit +": 0.95,
    "2-digit -": 0.95,
    "2-digit *": 0.9,
    "2-digit /": 0.9,
    "3-digit +": 0.8,
    RETRIEVAL: 0.95,
}


def asked() -> list[Asked]:
    """Every group of questions; arithmetic is held out of training, and an answer must end where it ends."""
    groups = {
        f"{digits}-digit {operation}": questions(operation, digits, COUNT)
        for digits in (1, 2, 3)
        for operation in OPERATIONS
        if digits in MEASURED[operation]
    }
    for digits in (1, 2):
        for operation in OPERATIONS:
            groups[f"{digits}-digit {operation}, in words"] = questions(operation, digits, COUNT, "words")
    groups[RETRIEVAL] = retrieval()
    groups[FACTS] = sentences.facts()
    return [Asked(name, tuple(pairs), to_the_end=True) for name, pairs in groups.items()]


def accuracy_rows(findings: Findings) -> list[dict[str, str]]:
    """One row per group: its accuracy, and whether its aim is met."""
    return [
        {
            "prompts": f"{one.name}, {one.cases}",
            "right": one.share.percent(1),
            "aim": f"{AIMS[one.name]:.0%}" if one.name in AIMS else "none",
            "": "" if one.name not in AIMS else "met" if one.share.value >= AIMS[one.name] else "**missed**",
        }
        for one in findings.accuracy
    ]


def aims_sentence(findings: Findings) -> str:
    """Which aims were missed, with figures."""
    asked_for = [one for one in findings.accuracy if one.name in AIMS]
    missed = [
        f"{one.name} ({one.share.value:.3f}, aim {AIMS[one.name]:.2f})"
        for one in asked_for
        if one.share.value < AIMS[one.name]
    ]
    if not asked_for:
        return "No aim was measured."
    if not missed:
        return f"All {len(asked_for)} aims are met."
    return f"Missed {len(missed)} of {len(asked_for)} aims: " + "; ".join(missed) + "."
