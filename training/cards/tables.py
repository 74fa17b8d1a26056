"""Findings as Markdown: tables, and what agrees with the papers and what does not, told alike."""

import re
from collections.abc import Sequence

from core.findings.record import Findings
from training.cards.rules import Claim, claims, layers_of

#: How verdicts are told, in the order in which they stand on a card.
VERDICTS = {
    "agrees": "What looks like the papers",
    "differs": "What does not look like the papers",
    "cannot tell": "What these prompts cannot tell",
}


def markdown(rows: Sequence[dict[str, str]]) -> str:
    """A table; a sentence where there is nothing to show."""
    if not rows:
        return "Nothing could be measured."
    lines = ["| " + " | ".join(rows[0]) + " |", "|" + "---|" * len(rows[0])]
    lines += ["| " + " | ".join(map(escaped, row.values())) + " |" for row in rows]
    return "\n".join(lines)


def escaped(text: str) -> str:
    """Text in which a single asterisk is a sign; two stay as they mark bold."""
    return re.sub(r"(?<!\*)\*(?!\*)", r"\\*", text)


def measured_part(findings: Findings) -> str:
    """Everything that was measured, with verdicts by rules, as sections of a card."""
    parts = [
        "**Heads** (relative decrease of accuracy, by answer tokens, with one head ablated; *concentrated*: the share "
        "of all positive decreases that the top three hold; *depth*: 0% the first layer, 100% the last):",
        markdown(heads_rows(findings)),
        "**Deep neurons** (each right answer token's own top neurons, ranked by CNA with these heads ablated; the "
        "share of answer tokens that turn wrong with them masked, and with all others masked):",
        markdown(neuron_rows(findings)),
        "**Shallow neurons** that the vocabulary filter finds, beside random sets of as many neurons of the same "
        "layers (mean, and where 95% of the sets lie):",
        markdown(filter_rows(findings)),
        "**Causal mediation** of the FFNs (shares of log(IE + 1); *asked*: the positions at which the two prompts "
        "differ):",
        markdown(mediation_rows(findings)),
        "**LoRA**, one adapter for each layer, on prompts with negative results:",
        markdown(adapter_rows(findings)),
        skew_sentence(findings),
        sum_sentence(findings),
    ]
    return "\n\n".join(part for part in [*parts, verdicts(claims(findings)), _missing(findings)] if part)


def heads_rows(findings: Findings) -> list[dict[str, str]]:
    """One row per operation and number of digits."""
    return [
        {
            "prompts": f"{one.digits}-digit {one.operation}",
            "accuracy": one.baseline.percent(),
            "10% or more": f"{one.matter} of {sum(map(len, one.decrease))}",
            "largest decreases": ", ".join(f"{head.name} {head.decrease.percent()}" for head in one.top[:3]),
            "concentrated": one.top_three_share.percent() if one.top_three_share else "",
            "depth": one.depth.percent() if one.depth else "",
        }
        for one in findings.heads
    ]


def neuron_rows(findings: Findings) -> list[dict[str, str]]:
    """One row per operation, heads and k: once, where the top head is the only one that matters."""
    rows = {
        (one.operation, one.heads, one.k): {
            "operation": one.operation,
            "heads ablated": ", ".join(f"{layer}_{head}" for layer, head in one.heads),
            "neurons": str(one.k),
            "answer tokens": str(one.cases),
            "mask": one.mask.percent(),
            "keep": one.keep.percent(),
        }
        for one in findings.neuron_sets
    }
    return list(rows.values())


def filter_rows(findings: Findings) -> list[dict[str, str]]:
    """One row per layers and M."""
    return [
        {
            "layers": layers_of(one),
            "M": str(one.more_than),
            "neurons": f"{one.neurons} of {one.of}",
            "by chance": f"{one.by_chance:.1f}",
            "decrease": one.decrease.percent(),
            "random": one.random.percent(),
            "p": f"{one.p_value:.2f}",
        }
        for one in findings.filters
    ]


def mediation_rows(findings: Findings) -> list[dict[str, str]]:
    """One row per kind of pair."""
    return [
        {
            "pairs": f"{one.task}, {one.pairs}",
            "late FFNs, last position": one.late_importance.percent(),
            "early: asked": one.early_asked.percent(),
            "early: last": one.early_last.percent(),
            "late: asked": one.late_asked.percent(),
            "late: last": one.late_last.percent(),
        }
        for one in findings.mediation
    ]


def adapter_rows(findings: Findings) -> list[dict[str, str]]:
    """One row per adapter."""
    return [
        {"layer": str(one.layer), "without": one.base.percent(), "with the adapter": one.accuracy.percent()}
        for one in findings.adapters
    ]


def skew_sentence(findings: Findings) -> str:
    """The skew of professions in one sentence; empty where it was not measured."""
    if findings.skew is None:
        return ""
    total = findings.skew.total
    interval = "" if total.low is None else f" [{total.low:.2f}, {total.high:.2f}]"
    return (
        f"**Professions.** {findings.skew.professions} professions of the CNA paper are more likely after their own "
        f"gender than after the other by {total.value:.2f}{interval} nats on average."
    )


def sum_sentence(findings: Findings) -> str:
    """The one sum in one sentence; empty where it was not measured."""
    one = findings.one_sum
    if one is None:
        return ""
    names = ", ".join(neuron.name for neuron in one.neurons[:5])
    return (
        f'**One sum.** "{one.prompt}" {"is" if one.right else "is not"} answered with {one.answer} (probability '
        f"{one.probability:.1%}). Without head {one.top[0]}_{one.top[1]} the probability falls by "
        f"{one.decrease[one.top[0]][one.top[1]]:.0%}; the neurons whose importance falls most with it are {names}."
    )


def verdicts(found: Sequence[Claim]) -> str:
    """What agrees, what differs and what cannot be told, each with its numbers."""
    parts = []
    for verdict, title in VERDICTS.items():
        mine = [escaped(f"- {claim.paper} Here: {claim.ours}.") for claim in found if claim.verdict == verdict]
        parts.append(f"### {title}\n\n" + ("\n".join(mine) if mine else "Nothing."))
    return "\n\n".join(parts)


def _missing(findings: Findings) -> str:
    if not findings.missing:
        return ""
    lines = "\n".join(escaped(f"- {name}: {reason}") for name, reason in findings.missing.items())
    return f"### What could not be measured\n\n{lines}"
