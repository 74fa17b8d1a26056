"""Headline figures of several seeds of the plain model: `python -m training.plain.seeds FOLDER FOLDER ... [--write]`.

The seeds differ in their first weights and in the order of their texts, and in nothing else. What differs between them
is luck. With `--write` the figures go beside the plain model as `seeds.json`, which its card shows.
"""

import argparse
import json
from collections.abc import Sequence
from dataclasses import asdict
from pathlib import Path

from core.errors import UserError
from core.findings.figures import Figure
from core.findings.measure import measure
from core.findings.record import Findings
from core.findings.seeds import FILE, REMEDY, Seed, SeedHeads, Seeds
from core.findings.settings import FindingsSettings
from core.model.load import load_model
from core.model.source import BUNDLED
from core.reading import checked, read_json_file
from training.cards.tables import markdown
from training.plain.asked import asked

#: Fewer prompts than the shipped model's own findings have: one table, and not a card, for each seed.
SETTINGS = FindingsSettings(prompts=100, filter_layers=((0, 1, 2),), filter_sizes=(100,), pairs=40)


def seed_of(findings: Findings, recipe: dict) -> Seed:
    """The headline figures of a model's findings."""
    most = max(findings.settings.ks)
    sets = findings.neuron_set_of("+", "top head", most)
    pairs = findings.mediation_of("other operands")
    one = findings.one_sum
    return Seed(
        seed=int(recipe["seed"]),
        steps=int(recipe["trained_steps"]),
        fingerprint=findings.model.fingerprint,
        accuracy=findings.accuracy,
        heads=tuple(
            SeedHeads(
                prompts=f"{heads.digits}-digit {heads.operation}",
                top=tuple(head.name for head in heads.top[:3]),
                decrease=heads.top[0].decrease,
                matter=heads.matter,
                top_three_share=heads.top_three_share,
                depth=heads.depth,
            )
            for heads in findings.heads
        ),
        mask=sets.mask if sets else None,
        keep=sets.keep if sets else None,
        filter_excess=findings.filters[0].excess if findings.filters else None,
        late_ffns=pairs.late_importance if pairs else None,
        sum_head=f"{one.top[0]}_{one.top[1]}" if one else None,
    )


def measure_seeds(folders: Sequence[Path], settings: FindingsSettings = SETTINGS, count: int | None = None) -> Seeds:
    """Measures each exported model; `count` limits the questions of each group.

    Raises:
        UserError: for a folder that is not an exported model, or two of the same seed.
    """
    found = []
    remedy = "Name folders that training.plain.train exported."
    recipes = [read_json_file(folder / "recipe.json", remedy, ours=False) for folder in folders]
    numbers = [recipe["seed"] for recipe in recipes]
    if len(set(numbers)) < len(numbers):
        raise UserError(f"Two folders are of the same seed ({', '.join(map(str, numbers))}). Name one for each seed.")
    for folder, recipe in zip(folders, recipes, strict=True):
        groups = [type(one)(one.name, one.questions[:count], one.to_the_end) for one in asked()]
        found.append(seed_of(measure(load_model(folder), settings, groups), recipe))
    return Seeds(settings, tuple(sorted(found, key=lambda seed: seed.seed)))


def write_seeds(seeds: Seeds, folder: Path) -> None:
    """Writes `seeds.json`."""
    told = json.dumps(asdict(checked(seeds, "These seeds", REMEDY)), ensure_ascii=False, indent=1)
    (folder / FILE).write_text(told + "\n", encoding="utf-8")


def seeds_part(seeds: Seeds | None) -> str:
    """What is luck: the seeds side by side, as a section of the card."""
    if seeds is None or not seeds.seeds:
        return "Only this seed was measured."
    names = [f"seed {one.seed}" for one in seeds.seeds]
    rows = [{"": name, **dict(zip(names, cells, strict=True))} for name, cells in _cells(seeds.seeds).items()]
    return markdown(rows)


def _cells(seeds: Sequence[Seed]) -> dict[str, list[str]]:
    cells: dict[str, list[str]] = {}
    for at, one in enumerate(seeds):
        told = {f"{a.name}, right": a.share.percent() for a in one.accuracy if "words" not in a.name}
        for heads in one.heads:
            told[f"{heads.prompts}, top heads"] = f"{', '.join(heads.top)}; {heads.decrease.percent()}"
            told[f"{heads.prompts}, heads that matter"] = str(heads.matter)
            told[f"{heads.prompts}, top three hold"] = _told(heads.top_three_share)
            told[f"{heads.prompts}, depth"] = _told(heads.depth)
        told["1-digit +, mask"], told["1-digit +, keep"] = _told(one.mask), _told(one.keep)
        told["filter less random"], told["late FFNs"] = _told(one.filter_excess), _told(one.late_ffns)
        told["3 + 5 =, top head"] = one.sum_head or "not measured"
        for name, cell in told.items():
            cells.setdefault(name, ["not measured"] * len(seeds))[at] = cell
    return cells


def _told(found: Figure | None) -> str:
    return "not measured" if found is None else found.percent()


def main() -> None:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folders", nargs="+", type=Path, help="exported models, one for each seed")
    parser.add_argument("--write", action="store_true", help="write seeds.json beside the plain model")
    args = parser.parse_args()
    seeds = measure_seeds(args.folders)
    if args.write:
        write_seeds(seeds, BUNDLED["bundled/plain"])
    print(seeds_part(seeds))


if __name__ == "__main__":
    main()
