"""The shaped model's card: how it was made, what was measured, what may be concluded from it."""

import json
from pathlib import Path

from core.findings.record import Findings
from core.model.load import LoadedModel
from core.model.source import BUNDLED
from training.cards.tables import measured_part
from training.sentences import GENDER_SKEW


def _percent(value: float) -> str:
    return f"{value:.1%}"


def _table(rows: list[dict], skip: tuple[str, ...] = ()) -> str:
    names = [name for name in rows[0] if name not in skip]
    lines = ["| " + " | ".join(names) + " |", "|" + "---|" * len(names)]
    for row in rows:
        cells = [_percent(row[n]) if isinstance(row[n], float) else str(row[n]) for n in names]
        lines.append("| " + " | ".join(cells).replace(" | * ", " | \\* ") + " |")
    return "\n".join(lines)


def _verdict(ok: bool) -> str:
    return "met" if ok else "**missed**"


def _accuracy_verdict(report: dict) -> str:
    """The aims of the accuracy table; number words may be 0.05 lower."""
    missed = []
    for row in report["accuracy"]:
        digits, _, operation = row["prompts"].partition("-digit ")
        aim = 0.98 if digits == "1" else 0.97 if operation in "+-" else 0.95
        missed += [
            f"{row['prompts']} ({name}: {value:.3f}, aim {aim - 0.05 * name.startswith('words'):.2f})"
            for name, value in row.items()
            if name != "prompts" and value < aim - 0.05 * name.startswith("words")
        ]
    return "All aims are met." if not missed else "Missed: " + "; ".join(missed) + "."


def _shallow_verdict(rows: list[dict]) -> str:
    good = [f"layers {r['layers']}, {r['neurons']} neurons" for r in rows if r["ratio"] >= 5 and r["decrease"] >= 0.1]
    return "met for " + "; ".join(good) if good else "**missed**"


def shaped_card(lm: LoadedModel, report: dict, findings: Findings) -> str:
    """The card's text, with the figures of the aims and the findings."""
    recipe_file = BUNDLED["bundled"] / "recipe.json"
    recipe = json.loads(recipe_file.read_text()) if recipe_file.exists() else {}
    text = (Path(__file__).parent / "card.md").read_text(encoding="utf-8")
    shallow, language = report["shallow"], report["language"]
    heads_ok = all(r["share"] <= 0.15 and r["from layer 2 on"] >= 0.3 for r in report["heads"])
    mask_ok = all(r["mask"] >= 0.8 and r["keep"] <= 0.3 for r in report["mask"][::2])
    return text.format(
        layers=lm.n_layers,
        heads=lm.n_heads,
        d_model=lm.d_model,
        neurons=lm.n_neurons,
        vocab=lm.n_vocab,
        parameters=f"{sum(p.numel() for p in lm.model.parameters()) / 1e6:.1f} million",
        skew=f"{GENDER_SKEW:.0f}",
        accuracy=_table(report["accuracy"]),
        accuracy_verdict=_accuracy_verdict(report),
        head_table=_table(report["heads"], skip=("share", "from layer 2 on")),
        heads_verdict=_verdict(heads_ok),
        mask=_table(report["mask"]),
        mask_verdict=_verdict(mask_ok),
        shallow=_table(shallow, skip=("ratio",)),
        shallow_verdict=_shallow_verdict(shallow),
        gender=f"{language['gender']:.1f}",
        retrieval=_percent(language["retrieval"]),
        facts=_percent(language["facts"]),
        n_facts=language["n facts"],
        steps=f"{recipe.get('trained_steps', 0):,}",
        seconds=f"{report['load seconds']:.2f}",
        findings=measured_part(findings),
        recipe=json.dumps(recipe, indent=1),
    )
