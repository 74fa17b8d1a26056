"""Sweeps over all heads from their settings: a set of arithmetic prompts, or a person's own prompts."""

from dataclasses import dataclass
from typing import Annotated

import pandas as pd
from pydantic import Field

from core.errors import UserError
from core.forward.answers import SCORINGS, question
from core.forward.read_at import END, read_at, reads_at
from core.heads.accuracy import AccuracySweep, sweep_accuracy
from core.heads.sweep import HeadSweep, sweep_heads
from core.kept.chunks import Chunks, not_kept
from core.metrics import PROBABILITY, as_metric
from core.model.load import LoadedModel
from core.progress import Progress, silent
from core.prompts.arithmetic import LAST_TEMPLATE, OPERATIONS, POOLS, Prompt, make_prompts
from core.reading import strict


@strict
@dataclass(frozen=True)
class SetSweep:
    """A sweep over arithmetic prompts; the fields are those of `core.prompts.arithmetic.make_prompts`."""

    operations: tuple[str, ...] = tuple(OPERATIONS)
    digits: tuple[int, ...] = (1, 2)
    forms: tuple[str, ...] = ("digits",)
    templates: tuple[int, ...] = (LAST_TEMPLATE,)
    count: Annotated[int, Field(ge=1)] = 25
    seed: int = 0
    pool: str = POOLS[0]

    def prompts(self) -> list[Prompt]:
        """The prompts of the set."""
        return make_prompts(self.operations, self.digits, self.forms, self.templates, self.count, self.seed, self.pool)

    def check(self, lm: LoadedModel) -> None:
        """Raises `UserError` for an unknown or empty choice, or a word that the model does not know."""
        for prompt in self.prompts():
            question(lm, prompt)

    def run(self, lm: LoadedModel, progress: Progress = silent, chunks: Chunks = not_kept) -> AccuracySweep:
        """Ablates every head, one at a time."""
        return sweep_accuracy(lm, self.prompts(), progress, chunks)


@strict
@dataclass(frozen=True)
class OwnSweep:
    """A sweep over a person's own prompts.

    Attributes:
        prompts: texts.
        metric: what is measured of the token that the model predicts, one of `core.metrics.METRICS`.
        positions: of the token after which each prompt is read; `END`, or no positions: at its end.
    """

    prompts: tuple[str, ...] = ("3+5=", "7-2=")
    metric: str = PROBABILITY.name
    positions: tuple[Annotated[int, Field(ge=END)], ...] = ()

    def check(self, lm: LoadedModel) -> None:
        """Raises `UserError` for no prompts, one that the model cannot take, or a choice that does not exist."""
        if not self.prompts:
            raise UserError("There is no prompt. Type one, such as 3+5=")
        as_metric(self.metric)
        if self.positions and len(self.positions) != len(self.prompts):
            raise UserError(f"{len(self.prompts)} prompts need as many positions, not {len(self.positions)}, or none.")
        for text, position in zip(self.prompts, self._positions, strict=True):
            check_position(lm, text, position)

    @property
    def _positions(self) -> tuple[int, ...]:
        return self.positions or (END,) * len(self.prompts)

    def run(self, lm: LoadedModel, progress: Progress = silent, chunks: Chunks = not_kept) -> HeadSweep:
        """Ablates every head, one at a time."""
        asked = reads_at(lm, self.prompts, self._positions)
        return sweep_heads(lm, asked, metric=self.metric, progress=progress, chunks=chunks)


def check_position(lm: LoadedModel, prompt: str, position: int | None) -> None:
    """Raises `UserError` for a prompt that the model cannot take, or a position behind its last token."""
    n_tokens = len(lm.encode_for_answer(prompt))
    if position is not None and position >= n_tokens:
        raise UserError(f"{prompt!r} has the tokens 0 to {n_tokens - 1} and cannot be read after token {position}.")
    lm.prompt_ids(read_at(lm, prompt, position))


def set_tables(swept: AccuracySweep) -> dict[str, pd.DataFrame]:
    """Accuracy with each head ablated, by operation and digits, in every scoring."""
    return {"heads": pd.concat([swept.to_frame(scoring) for scoring in SCORINGS], ignore_index=True)}


def own_tables(swept: HeadSweep) -> dict[str, pd.DataFrame]:
    """What each head does to each prompt."""
    return {"heads": swept.to_frame()}
