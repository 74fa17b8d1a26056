"""Whole measurements of causal mediation, from their settings to tables.

`measure_pairs` draws pairs of prompts (or takes two typed ones), copies the value of each chosen site and averages the
effects; `measure_control` does the same to a model with random weights; `measure_units` copies single heads and neurons
over pairs that were measured.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from typing import ClassVar

import pandas as pd

from core.forward.patching import Site
from core.kept.chunks import Chunks, not_kept
from core.mediation.draw import draw_pairs
from core.mediation.effect import INDIRECT_EFFECT
from core.mediation.groups import GROUPINGS, Grouping
from core.mediation.importance import RelativeImportance, relative_importances
from core.mediation.measure import Mediation, check_sites, mediate
from core.mediation.pairs import PromptPair, typed_pair
from core.mediation.summary import cells
from core.mediation.tasks import Task, template_names
from core.mediation.units import UnitEffects, head_effects, important_neurons, neuron_effects
from core.mediation.words import COMMON_RELATIONS
from core.metrics import MetricLike
from core.model.load import LoadedModel
from core.model.random_weights import SEED, random_weights
from core.progress import Progress, part, silent
from core.prompts.arithmetic import OPERATIONS
from core.reading import strict
from core.vocabulary.neuron_tokens import both_sides

DEFAULT_SITES: tuple[Site, ...] = ("embedding", "ffn", "attention")
MODULES: tuple[Site, ...] = ("ffn", "attention")
N_NEURONS = 20
N_TOKENS = 6


@strict
@dataclass(frozen=True)
class DrawnPairs:
    """Pairs to draw; the fields are those of `core.mediation.draw.draw_pairs`, the measured quantity and the sites."""

    kind: str = "other operands"
    count: int = 50
    operations: tuple[str, ...] = tuple(OPERATIONS)
    digits: tuple[int, ...] = (1,)
    forms: tuple[str, ...] = ("digits",)
    templates: tuple[int, ...] | None = None
    seed: int = 0
    metric: str = INDIRECT_EFFECT
    sites: tuple[Site, ...] = DEFAULT_SITES
    template_set: str = "CNA"
    number_range: str = "by digits"
    relations: tuple[str, ...] = COMMON_RELATIONS
    classes: bool = False

    def check(self, lm: LoadedModel) -> None:
        """Raises `UserError` for an unknown or empty choice."""
        check_sites(self.sites)
        Task(**{name: getattr(self, name) for name in Task.__dataclass_fields__}).check()

    def of_kind(self, kind: str) -> "DrawnPairs":
        """The same settings for another kind of pair; of another list of templates all are meant."""
        names = [template_names(self.template_set, each) for each in (self.kind, kind)]
        return replace(self, kind=kind, templates=self.templates if names[0] == names[1] else None)

    def pairs(self, lm: LoadedModel, progress: Progress = silent) -> list[PromptPair]:
        """Draws them; fewer than `count` where the model answers fewer right."""
        chosen = {name: value for name, value in vars(self).items() if name not in ("metric", "sites")}
        return draw_pairs(lm, **chosen, progress=progress)


@strict
@dataclass(frozen=True)
class TypedPair:
    """A person's own two prompts; a result of None is the model's prediction."""

    base: str = "3 + 5 ="
    base_result: str | None = None
    alternative: str = "2 + 7 ="
    alternative_result: str | None = None
    metric: str = INDIRECT_EFFECT
    sites: tuple[Site, ...] = DEFAULT_SITES
    count: ClassVar[int] = 1

    def check(self, lm: LoadedModel) -> None:
        """Raises `UserError` for prompts or results that the model cannot take, or an unknown or empty choice."""
        check_sites(self.sites)
        self.pairs(lm)

    def pairs(self, lm: LoadedModel, progress: Progress = silent) -> list[PromptPair]:
        """The one pair."""
        return [typed_pair(lm, self.base, self.alternative, self.base_result, self.alternative_result)]


PairSettings = DrawnPairs | TypedPair


@dataclass(frozen=True)
class MeasuredPairs:
    """Effects of pairs of one kind.

    Attributes:
        settings: what was asked for; `settings.count` pairs are wanted.
        found: the effects of each pair.
        table: their averages with positions grouped by roles, from `core.mediation.summary.cells`.
        cma_table: the same with the groups of the authors' notebook.
        importance: of FFNs and attention, where they were copied: the relative importance of the late ones at the last
            position.
        control: the seed of the random weights that were measured in place of the model's; None: the model's own.
    """

    settings: PairSettings
    found: Mediation
    table: pd.DataFrame
    cma_table: pd.DataFrame
    importance: dict[Site, RelativeImportance]
    control: int | None = None

    def table_by(self, grouping: Grouping) -> pd.DataFrame:
        """The averages in one grouping of positions."""
        return self.cma_table if grouping == "CMA" else self.table


def measure_pairs(lm: LoadedModel, settings: PairSettings, progress: Progress = silent) -> MeasuredPairs:
    """Draws pairs and copies the value of every chosen site at every layer and position.

    Raises:
        UserError: for settings or prompts that the model cannot take, or when it answers no such pair right.
        Stopped: when no pair was measured yet.
    """
    return with_averages(lm, settings, mediate_pairs(lm, settings, progress))


def mediate_pairs(
    lm: LoadedModel, settings: PairSettings, progress: Progress = silent, chunks: Chunks = not_kept
) -> Mediation:
    """The effects of each pair, without their averages; each batch of pairs is a chunk.

    Raises:
        UserError: as `measure_pairs`.
        Stopped: when no pair was measured yet.
    """
    pairs = chunks("drawn", lambda: settings.pairs(lm, part(progress, 0, 10)))
    return mediate(lm, pairs, settings.sites, part(progress, 1, 10, 9), settings.metric, chunks)


def measure_control(
    lm: LoadedModel, measured: MeasuredPairs, seed: int = SEED, progress: Progress = silent
) -> MeasuredPairs:
    """The same pairs, results and sites in a model with random weights (`core.model.random_weights`).

    Args:
        lm: the trained model.
        measured: what was measured with it. A result that was its prediction stays that token.
        seed: of the random weights.
        progress: called after every batch.

    Raises:
        UserError: where there is no room for a second model.
        Stopped: when no pair was measured yet.
    """
    pairs = [
        replace(pair, base_result=effects.base_result, alternative_result=effects.alternative_result)
        for pair, effects in zip(measured.found.pairs, next(iter(measured.found.effects.values())), strict=True)
    ]
    settings = measured.settings
    with random_weights(lm, seed) as drawn:
        found = mediate(drawn, pairs, settings.sites, progress, settings.metric)
    return replace(with_averages(lm, settings, found), control=seed)


def with_averages(lm: LoadedModel, settings: PairSettings, found: Mediation) -> MeasuredPairs:
    """Effects that were measured, with their averages."""
    sites = [site for site in MODULES if site in found.effects]
    importance = {site: relative_importances(found, lm.n_layers, site) for site in sites}
    return MeasuredPairs(settings, found, cells(found), cells(found, grouping="CMA"), importance)


def tables(lm: LoadedModel, settings: PairSettings, found: Mediation) -> dict[str, pd.DataFrame]:
    """The averages in both groupings of positions, the relative importance of late modules, and the pairs."""
    measured = with_averages(lm, settings, found)
    importance = [
        {"site": site, "share": share, **asdict(estimate)}
        for site, shares in measured.importance.items()
        for share in ("geometric", "mean", "authors")
        if (estimate := getattr(shares, share)) is not None
    ]
    columns = ("base", "alternative", "base_result", "alternative_result", "read_at")
    return {
        "cells": pd.concat(
            [measured.table_by(grouping).assign(grouping=grouping) for grouping in GROUPINGS], ignore_index=True
        ),
        "importance": pd.DataFrame(importance, columns=["site", "share", "value", "low", "high"]),
        "pairs": pd.DataFrame([{name: getattr(pair, name) for name in columns} for pair in found.pairs]),
    }


@dataclass(frozen=True)
class MeasuredUnits:
    """Effects of single heads and neurons at the last position.

    Attributes:
        heads: every head.
        neurons: those that CNA finds between the two prompts.
        tokens: for each neuron of `neurons.places`, the tokens that it promotes and those that it suppresses, with a
            positive coefficient.
    """

    heads: UnitEffects
    neurons: UnitEffects
    tokens: list[tuple[list[str], list[str]]]


def measure_units(
    lm: LoadedModel,
    pairs: Sequence[PromptPair],
    n_neurons: int = N_NEURONS,
    progress: Progress = silent,
    metric: MetricLike = INDIRECT_EFFECT,
    head_part: str = "output",
) -> MeasuredUnits:
    """Copies every head, and the coefficients of the neurons whose importance changes most.

    Args:
        lm: the model.
        pairs: prompts and results.
        n_neurons: how many neurons.
        progress: called after every batch.
        metric: "indirect effect", one of `PROBABILITY_CHANGES`, or a metric of the base's result (`core.metrics`).
        head_part: what is copied of a head, one of `HEAD_PARTS`.

    Raises:
        UserError: for no pairs, or two prompts that are the same.
        Stopped: when nothing was measured yet.
    """
    k = min(n_neurons, lm.n_layers * lm.n_neurons)
    heads = head_effects(lm, pairs, part(progress, 0, 5, 3), metric, head_part)
    chosen = important_neurons(lm, pairs, k, part(progress, 3, 5))
    neurons = neuron_effects(lm, pairs, chosen, part(progress, 4, 5), metric)
    return MeasuredUnits(heads, neurons, [both_sides(lm, *place, N_TOKENS) for place in neurons.places])
