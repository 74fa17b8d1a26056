"""Measurements over whole sets of prompts, from settings: deep neurons masked and kept, shallow neurons ablated."""

from dataclasses import dataclass
from typing import Annotated

import pandas as pd
from pydantic import Field

from core.ablation.shallow import MORE_THAN, ShallowAblation
from core.ablation.whole_set import DeepSet, Filter, measure_deep_set, measure_shallow_set
from core.errors import UserError
from core.forward.answers import question
from core.hooks import check_head
from core.kept.chunks import Chunks, not_kept
from core.model.load import LoadedModel
from core.progress import Progress, silent
from core.prompts.arithmetic import OPERATIONS, Prompt, make_prompts
from core.reading import strict
from core.types import Head
from core.vocabulary.concepts import SHORT_LIST, chosen_concepts
from core.vocabulary.shallow import SIGNS


@strict
@dataclass(frozen=True)
class MaskKeepSet:
    """Deep neurons over a set of prompts (CNA tables 5, 6, 15, 16).

    Attributes:
        operations: of the prompts.
        digits: of the prompts.
        count: prompts for each operation and number of digits.
        heads: (layer, head) of the heads that are ablated in the second run of each case.
    """

    operations: tuple[str, ...] = ("+", "-")
    digits: tuple[int, ...] = (1,)
    count: Annotated[int, Field(ge=1)] = 100
    heads: tuple[Head, ...] = ()

    def prompts(self) -> list[Prompt]:
        """The prompts of the set."""
        return make_prompts(self.operations, self.digits, count=self.count)

    def check(self, lm: LoadedModel) -> None:
        """Raises `UserError` for an empty or unknown choice, or a head or word that the model does not have."""
        if not self.heads:
            raise UserError("Choose at least one head to ablate, such as heads = [[5, 2]].")
        for head in self.heads:
            check_head(lm, *head)
        for prompt in self.prompts():
            question(lm, prompt)

    def run(self, lm: LoadedModel, progress: Progress = silent, chunks: Chunks = not_kept) -> DeepSet:
        """Masks, keeps, and ablates the root."""
        return measure_deep_set(lm, self.heads, self.prompts(), progress=progress, chunks=chunks)


@dataclass(frozen=True)
class ShallowPrompts:
    """Prompts of the shallow filter, and the paper's table about them."""

    operations: tuple[str, ...]
    digits: tuple[int, ...] = (1,)
    table: int | None = None


#: Prompts of the shallow filter, by what a person chooses: those of a table, or all.
SHALLOW_SETS: dict[str, ShallowPrompts] = {
    "+ and − (table 8)": ShallowPrompts(("+", "-"), table=8),
    "/ (table 17)": ShallowPrompts(("/",), table=17),
    "all four operations": ShallowPrompts(OPERATIONS),
    "− of two digits (table 21)": ShallowPrompts(("-",), (2,), table=21),
}


@strict
@dataclass(frozen=True)
class ShallowSet:
    """The zero-shot filter of shallow neurons over a set of prompts (CNA tables 8 and 17).

    Attributes:
        last: the last shallow layer.
        top: how many of a value's top tokens are looked at.
        more_than: values of M, the count above which a neuron is kept.
        draws: random sets of as many neurons, for each M.
        counted: the list of concept tokens.
        signs: whether a value counts as it is, or its negative too.
        prompt_set: one of `SHALLOW_SETS`.
        count: prompts of every operation of the set.
        concepts: a person's own token ids, which count in place of the list.
    """

    last: Annotated[int, Field(ge=0)] = 3
    top: Annotated[int, Field(ge=1)] = 50
    more_than: tuple[int, ...] = MORE_THAN
    draws: Annotated[int, Field(ge=0)] = 3
    counted: str = SHORT_LIST
    signs: str = SIGNS[0]
    prompt_set: str = next(iter(SHALLOW_SETS))
    count: Annotated[int, Field(ge=1)] = 50
    concepts: tuple[int, ...] | None = None

    def filter(self) -> Filter:
        """Which neurons are ablated."""
        concepts = self.counted if self.concepts is None else self.concepts
        return Filter(self.last + 1, self.top, concepts, self.more_than, self.draws, self.signs)

    def prompts(self) -> list[Prompt]:
        """The prompts: `count` of every operation of the set.

        Raises:
            UserError: for a set that does not exist.
        """
        if self.prompt_set not in SHALLOW_SETS:
            raise UserError(f"There is no set {self.prompt_set!r}: use one of {'; '.join(SHALLOW_SETS)}.")
        chosen = SHALLOW_SETS[self.prompt_set]
        return make_prompts(chosen.operations, chosen.digits, count=self.count)

    def check(self, lm: LoadedModel) -> None:
        """Raises `UserError` for choices that do not exist in this model."""
        if not self.more_than:
            raise UserError("Write one or more whole numbers for M, such as 0 1 2 3.")
        if self.last > lm.n_layers - 2:
            raise UserError(f"Layer {self.last} is no shallow layer here: choose 0 to {lm.n_layers - 2}.")
        if self.top > lm.n_vocab:
            raise UserError(f"The top {self.top} tokens cannot be looked at: choose 1 to {lm.n_vocab}.")
        if self.signs not in SIGNS:
            raise UserError(f"There is no choice of signs {self.signs!r}: use one of {', '.join(SIGNS)}.")
        chosen_concepts(lm, self.filter().concepts)
        for prompt in self.prompts():
            question(lm, prompt)

    def run(self, lm: LoadedModel, progress: Progress = silent, chunks: Chunks = not_kept) -> ShallowAblation:
        """Counts, and ablates what the filter keeps."""
        return measure_shallow_set(lm, self.prompts(), self.filter(), progress, chunks)


def mask_keep_tables(found: DeepSet) -> dict[str, pd.DataFrame]:
    """Decreases by measure and number of neurons, and case by case."""
    return {"decreases": found.to_frame(), "cases": found.mask_keep.cases_frame()}


def shallow_tables(found: ShallowAblation) -> dict[str, pd.DataFrame]:
    """Accuracy without the filter's neurons, by M."""
    return {"filters": found.to_frame()}
