"""Headline figures of several trainings of the plain model, as a file `seeds.json` beside it: what differs is luck.

The seeds differ in their first weights and in the order of their texts, and in nothing else. They are measured with
fewer prompts than the shipped model's own findings (`settings`).
"""

from dataclasses import dataclass
from pathlib import Path

from core.findings.accuracy import Accuracy
from core.findings.figures import Figure
from core.findings.settings import FindingsSettings
from core.reading import named, read_as, read_json_file, strict

FILE = "seeds.json"
REMEDY = "Measure the seeds again: python -m training.plain.seeds FOLDER FOLDER --write"


@strict
@dataclass(frozen=True)
class SeedHeads:
    """The heads of one operation and number of digits.

    Attributes:
        prompts: such as "1-digit +".
        top: the names of the heads with the largest decreases.
        decrease: of accuracy, relative, without the first of them.
        matter: how many heads decrease accuracy by 10% or more.
        top_three_share: the top three's share of all positive decreases.
        depth: the mean layer, weighted by positive decreases: 0 the first, 1 the last.
    """

    prompts: str
    top: tuple[str, ...]
    decrease: Figure
    matter: int
    top_three_share: Figure | None
    depth: Figure | None


@strict
@dataclass(frozen=True)
class Seed:
    """What was measured of one seed.

    Attributes:
        seed: its number.
        steps: of its training.
        fingerprint: of its weights.
        accuracy: on held-out prompts.
        heads: by operation and digits.
        mask: of one-digit sums with the top head ablated; None where it could not be measured.
        keep: likewise.
        filter_excess: decrease without the filter's neurons, less that without random ones.
        late_ffns: their relative importance at the last position.
        sum_head: the head without which "3 + 5 =" loses most.
    """

    seed: int
    steps: int
    fingerprint: str
    accuracy: tuple[Accuracy, ...]
    heads: tuple[SeedHeads, ...]
    mask: Figure | None
    keep: Figure | None
    filter_excess: Figure | None
    late_ffns: Figure | None
    sum_head: str | None

    def heads_of(self, prompts: str) -> SeedHeads | None:
        """The heads of some prompts; None where they were not measured."""
        return next((heads for heads in self.heads if heads.prompts == prompts), None)


@strict
@dataclass(frozen=True)
class Seeds:
    """The seeds, and with which settings they were measured."""

    settings: FindingsSettings
    seeds: tuple[Seed, ...]


def read_seeds(folder: Path) -> Seeds | None:
    """The seeds beside a model; None where there are none.

    Raises:
        UserError: for a file that is something else.
    """
    file = folder / FILE
    return read_as(Seeds, read_json_file(file, REMEDY), named(file), REMEDY) if file.exists() else None
