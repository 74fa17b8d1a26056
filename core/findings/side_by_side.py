"""The findings of both bundled models beside each other: which questions have an answer on both, and which differ.

Two figures differ where their 95% intervals do not overlap. That is a cautious rule: intervals may overlap a little
although the difference is not chance. Each model is one training; what another seed would give is not in the intervals.
"""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

from core.errors import UserError
from core.findings.figures import Figure
from core.findings.record import Findings, read_findings
from core.model.provenance import FOLDERS, Provenance, fingerprint_of

#: What a second figure is beside a first one.
Beside = Literal["higher", "lower", "cannot tell"]

REMEDY = "Run `make accept` in Abacus's repository, which measures both bundled models again."


@dataclass(frozen=True)
class SideBySide:
    """What was measured of the shaped and of the plain model, with the same settings."""

    shaped: Findings
    plain: Findings

    @property
    def each(self) -> dict[Provenance, Findings]:
        """By what was done to make the model."""
        return {"shaped": self.shaped, "plain": self.plain}


def read_side_by_side(folders: Mapping[Provenance, Path] = FOLDERS) -> SideBySide:
    """Reads the findings beside both bundled models.

    Raises:
        UserError: for a file that is missing or cannot be read, that is of another model than the one beside it, or of
            other settings than the other one; says what to do.
    """
    found = {made: _read(made, folder) for made, folder in folders.items()}
    if found["shaped"].settings != found["plain"].settings:
        raise UserError(
            f"The findings of the bundled models were measured with other settings, so they do not compare. {REMEDY}"
        )
    return SideBySide(found["shaped"], found["plain"])


def _read(made: Provenance, folder: Path) -> Findings:
    try:
        found = read_findings(folder)
    except UserError as error:
        raise UserError(f"The findings of the {made} model cannot be shown. {error} {REMEDY}") from error
    if found.model.fingerprint != fingerprint_of(folder):
        raise UserError(
            f"The findings beside the {made} model are of another model: its weights were changed since. {REMEDY}"
        )
    return found


def beside(first: Figure, second: Figure) -> Beside:
    """Whether a second figure is higher or lower than a first one, as far as their intervals tell."""
    ends = (first.low, first.high, second.low, second.high)
    if any(end is None for end in ends):
        return "cannot tell"
    low_1, high_1, low_2, high_2 = (float(end) for end in ends if end is not None)
    return "higher" if low_2 > high_1 else "lower" if high_2 < low_1 else "cannot tell"
