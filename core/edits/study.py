"""Whole measurements of a set of edits: both models' answers with the effect of the set, and the checked export."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.edits.compare import WhatIf, what_if
from core.edits.effects import EditEffects, edit_effects
from core.edits.export import EditedExportCheck, check_edited_export, export_edited
from core.errors import UserError
from core.hooks import Edit
from core.model.load import LoadedModel
from core.progress import Progress, silent
from core.types import PromptLike

DRAWS = 5


@dataclass(frozen=True)
class EditedAnswers:
    """What the original and the edited model answer.

    Attributes:
        both: their answers.
        effects: the size of the effect, against random edits; None without edits.
    """

    both: WhatIf
    effects: EditEffects | None


def edited_answers(
    lm: LoadedModel,
    prompts: Sequence[PromptLike],
    edits: Sequence[Edit],
    n_tokens: int = 8,
    temperature: float = 1.0,
    seed: int = 0,
    count: int = 25,
    draws: int = DRAWS,
    progress: Progress = silent,
) -> EditedAnswers:
    """Asks the original and the edited model, and measures the edits against random ones.

    Args:
        lm: the model.
        prompts: text or token ids, read as of `LoadedModel.prompt_ids` of the original model.
        edits: heads and neurons with factors; none: both sides are the same.
        n_tokens: length of the continuations.
        temperature: of the sampled continuation.
        seed: of the draws and of the arithmetic prompts.
        count: arithmetic prompts for each operation, with one and two digits; 0: no arithmetic.
        draws: how many random sets.
        progress: told after every answer.

    Raises:
        UserError: for no prompts, or prompts, edits or a temperature that the model cannot take.
    """
    effects = edit_effects(lm, prompts, edits, draws, seed, each=False) if edits else None
    digits = (1, 2) if count else ()
    both = what_if(lm, prompts, edits, n_tokens, temperature, seed, digits, max(1, count), progress)
    return EditedAnswers(both, effects)


@dataclass(frozen=True)
class CheckedExport:
    """An edited model on disk: where it is, and how it compares with the live edit, or why it was not compared."""

    folder: Path
    check: EditedExportCheck | None
    reason: str = ""


def export_and_check(
    lm: LoadedModel, edits: Sequence[Edit], folder: str | Path, title: str, note: str, prompts: Sequence[str]
) -> CheckedExport:
    """Writes an edited model and compares its answers with the live edit.

    Raises:
        UserError: when the folder cannot be written; one that was written but cannot be compared is returned.
    """
    written = export_edited(lm, edits, folder, title, note)
    try:
        return CheckedExport(written, check_edited_export(lm, edits, written, prompts))
    except UserError as error:
        return CheckedExport(written, None, str(error))
