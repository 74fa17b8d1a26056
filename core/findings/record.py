"""The findings of one model: every headline question with its answer, as a file `findings.json` beside the model.

A question that could not be asked has no answer, and `missing` says why; nothing stands in its place. Reading is
strict (`core.reading`).
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field

from core.edits.recipe import ModelName
from core.findings.accuracy import Accuracy
from core.findings.adapters import AdapterAccuracy
from core.findings.bias import ProfessionSkew
from core.findings.heads import HeadDecreases
from core.findings.mediation import MediationShares
from core.findings.neuron_sets import NeuronSetLosses
from core.findings.one_sum import OneSum
from core.findings.settings import FindingsSettings
from core.findings.shallow import ShallowFilter
from core.model.load import LoadedModel
from core.reading import checked, named, read_as, read_json_file, strict
from core.writing import explain_write_errors

FILE = "findings.json"


FORMAT: Literal["abacus findings"] = "abacus findings"


FORMAT_VERSION: Literal[1] = 1


_REMEDY = "Measure the model again: python -m training.accept MODEL --write"


ShortText = Annotated[str, Field(max_length=500)]


@strict
@dataclass(frozen=True)
class Versions:
    """The programs that measured."""

    abacus: ShortText
    torch: ShortText
    transformers: ShortText


@strict
@dataclass(frozen=True)
class Findings:
    """What was measured of a model.

    Attributes:
        format: says what the file is.
        version: of the format.
        model: whose findings these are.
        measured: date and time, ISO 8601, UTC.
        seconds: how long it took.
        device: cpu or cuda.
        versions: of the programs.
        settings: how much was asked.
        accuracy: on the prompts that the caller gave, by group.
        heads: by operation and digits.
        neuron_sets: mask and keep, by operation, heads and k.
        filters: the shallow filter, by layers and M.
        mediation: by kind of pair.
        adapters: by layer.
        skew: of professions; None where it could not be measured.
        one_sum: one sum looked at closely; None likewise.
        missing: the reasons why questions have no answer, by name of the question, such as "heads + 2".
    """

    format: Literal["abacus findings"]
    version: Literal[1]
    model: ModelName
    measured: ShortText
    seconds: float
    device: ShortText
    versions: Versions
    settings: FindingsSettings
    accuracy: tuple[Accuracy, ...]
    heads: tuple[HeadDecreases, ...]
    neuron_sets: tuple[NeuronSetLosses, ...]
    filters: tuple[ShallowFilter, ...]
    mediation: tuple[MediationShares, ...]
    adapters: tuple[AdapterAccuracy, ...]
    skew: ProfessionSkew | None
    one_sum: OneSum | None
    missing: dict[str, str]

    def heads_of(self, operation: str, digits: int) -> HeadDecreases | None:
        """The head sweep of an operation and number of digits; None where `missing` has a reason."""
        mine = (found for found in self.heads if (found.operation, found.digits) == (operation, digits))
        return next(mine, None)

    def neuron_set_of(self, operation: str, which: str, k: int) -> NeuronSetLosses | None:
        """Mask and keep of an operation with k neurons; `which` is "top head" or "heads that matter"."""
        mine = (found for found in self.neuron_sets if (found.operation, found.which, found.k) == (operation, which, k))
        return next(mine, None)

    def mediation_of(self, task: str) -> MediationShares | None:
        """The shares of a kind of pair."""
        return next((found for found in self.mediation if found.task == task), None)

    def is_of(self, lm: LoadedModel) -> bool:
        """Whether these are findings of this very model; its precision may be another."""
        return self.model.fingerprint == lm.fingerprint

    def to_json(self) -> str:
        """As text, one line per field, with floats to the last digit."""
        found = asdict(checked(self, "These findings", _REMEDY))
        lines = (f"{json.dumps(name)}: {_pretty(value)}" for name, value in found.items())
        return "{\n" + ",\n".join(lines) + "\n}\n"

    def write(self, folder: str | Path) -> Path:
        """Writes the file into a model's folder, in place of one that is there, and returns its path.

        Raises:
            UserError: where the folder cannot be written.
        """
        file, text = Path(folder) / FILE, self.to_json()
        part = file.with_name(f".{FILE}.part")
        with explain_write_errors(file):
            try:
                part.write_text(text, encoding="utf-8")
                os.replace(part, file)
            finally:
                part.unlink(missing_ok=True)
        return file


def _pretty(value: object) -> str:
    """JSON with one line per entry of a list."""
    if isinstance(value, (list, tuple)) and value:
        return "[\n " + ",\n ".join(json.dumps(entry, ensure_ascii=False) for entry in value) + "\n]"
    return json.dumps(value, ensure_ascii=False)


def read_findings(folder: str | Path) -> Findings:
    """Reads the findings beside a model.

    Raises:
        UserError: for a folder without them, or a file that is something else; names the field.
    """
    file = Path(folder) / FILE
    found = read_json_file(file, _REMEDY)
    return read_as(Findings, found, named(file), _REMEDY)
