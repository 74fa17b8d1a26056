"""The plain model's card: what it is, whether it does its job, and what was measured of it."""

import json
from pathlib import Path

from core.findings.record import Findings
from core.findings.seeds import read_seeds
from core.model.load import LoadedModel
from core.reading import read_json_file
from training.cards.tables import escaped, markdown, measured_part
from training.plain.asked import accuracy_rows, aims_sentence
from training.plain.seeds import seeds_part


def plain_card(lm: LoadedModel, findings: Findings, folder: Path) -> str:
    """The card's text.

    Args:
        lm: the model.
        findings: of it.
        folder: of the model, with recipe.json and, where seeds were measured, seeds.json.

    Raises:
        UserError: for a folder without a recipe.
    """
    recipe = read_json_file(folder / "recipe.json", "Train the model with training.plain.train.", ours=False)
    return (
        (Path(__file__).parent / "card.md")
        .read_text(encoding="utf-8")
        .format(
            layers=lm.n_layers,
            heads=lm.n_heads,
            d_model=lm.d_model,
            neurons=lm.n_neurons,
            vocab=f"{lm.n_vocab:,}",
            parameters=f"{sum(p.numel() for p in lm.model.parameters()) / 1e6:.1f} million",
            weight_decay=recipe["weight_decay"],
            steps=f"{recipe['trained_steps']:,}",
            planned=f"{recipe['steps']:,}",
            tokens=f"{recipe['tokens']:,}",
            seed=recipe["seed"],
            minutes=f"{recipe['seconds'] / 60:.0f}",
            accuracy=markdown(accuracy_rows(findings)),
            aims=escaped(aims_sentence(findings)),
            measured=findings.measured[:10],
            abacus=findings.versions.abacus,
            torch=findings.versions.torch,
            transformers=findings.versions.transformers,
            seconds=f"{findings.seconds:.0f}",
            findings=measured_part(findings),
            seeds=seeds_part(read_seeds(folder)),
            recipe=json.dumps(recipe, indent=1),
        )
    )
