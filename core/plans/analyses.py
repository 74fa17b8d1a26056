"""The analyses that run without a browser: each with its settings, its measurement, its tables and what pages show.

Settings stand in the rooms that measure; the pages' own settings take their fields from there.
"""

from collections.abc import Callable
from dataclasses import dataclass, fields
from typing import Any, Protocol, runtime_checkable

import pandas as pd

from core.ablation.cases import CaseSet
from core.ablation.mask_keep import MaskKeep
from core.ablation.root import RootAblation
from core.ablation.shallow import ShallowAblation
from core.ablation.study import MaskKeepSet, ShallowSet, mask_keep_tables, shallow_tables
from core.ablation.whole_set import DeepSet
from core.chain.study import FoundNeurons, NeuronSearch, look_inside
from core.forward.answers import Question, TokenCase
from core.heads.accuracy import AccuracySweep
from core.heads.study import OwnSweep, SetSweep, own_tables, set_tables
from core.heads.sweep import HeadSweep, SweptReads
from core.kept.chunks import Chunks
from core.mediation import study as mediation
from core.mediation.effect import PatchEffects
from core.mediation.measure import IndirectEffects, Mediation
from core.mediation.pairs import PromptPair
from core.mediation.study import DrawnPairs, TypedPair
from core.model.load import LoadedModel
from core.neurons.comparison import Comparison
from core.progress import Progress
from core.prompts.arithmetic import Prompt

Tables = dict[str, pd.DataFrame]


@runtime_checkable
class Study(Protocol):
    """Settings of an analysis."""

    def check(self, lm: LoadedModel) -> None:
        """Raises `UserError` for settings that the model cannot take."""
        ...


@dataclass(frozen=True)
class Analysis:
    """One kind of measurement.

    Attributes:
        about: what it measures, in a few words.
        settings: the class of its settings.
        run: measures, chunk by chunk; what it returns is kept.
        tables: of what is kept, by name.
        shown: what a page shows, from what is kept.
    """

    about: str
    settings: type[Any]
    run: Callable[[LoadedModel, Any, Progress, Chunks], Any]
    tables: Callable[[LoadedModel, Any, Any], Tables]
    shown: Callable[[LoadedModel, Any, Any, Progress], Any] = lambda lm, settings, kept, progress: kept


def _run(lm: LoadedModel, settings: Any, progress: Progress, chunks: Chunks) -> Any:
    return settings.run(lm, progress, chunks)


_MEDIATION: dict[str, Any] = {
    "run": mediation.mediate_pairs,
    "tables": mediation.tables,
    "shown": lambda lm, settings, kept, progress: mediation.with_averages(lm, settings, kept),
}


#: By the name that a plan calls them.
ANALYSES: dict[str, Analysis] = {
    "sweep": Analysis(
        "every head ablated, over arithmetic prompts", SetSweep, _run, lambda lm, s, kept: set_tables(kept)
    ),
    "sweep-prompts": Analysis(
        "every head ablated, over your own prompts", OwnSweep, _run, lambda lm, s, kept: own_tables(kept)
    ),
    "neurons": Analysis(
        "the neurons that carry the answer to one prompt",
        NeuronSearch,
        _run,
        lambda lm, s, kept: kept.tables(),
        lambda lm, settings, kept, progress: look_inside(lm, settings, progress, kept),
    ),
    "mask-keep": Analysis(
        "each answer token's top neurons masked, kept alone, and without the root",
        MaskKeepSet,
        _run,
        lambda lm, s, kept: mask_keep_tables(kept),
    ),
    "shallow": Analysis(
        "shallow neurons found by their weights, and ablated",
        ShallowSet,
        _run,
        lambda lm, s, kept: shallow_tables(kept),
    ),
    "mediation": Analysis("values copied between drawn pairs of prompts", DrawnPairs, **_MEDIATION),
    "mediation-pair": Analysis("values copied between your own two prompts", TypedPair, **_MEDIATION),
}


#: What may stand in a results folder.
KINDS: dict[str, type] = {
    kind.__name__: kind
    for kind in (
        AccuracySweep,
        CaseSet,
        Comparison,
        DeepSet,
        FoundNeurons,
        HeadSweep,
        IndirectEffects,
        MaskKeep,
        Mediation,
        PatchEffects,
        Prompt,
        PromptPair,
        Question,
        RootAblation,
        ShallowAblation,
        SweptReads,
        TokenCase,
    )
}


def name_of(settings: object) -> str | None:
    """The name of the analysis that these settings belong to, which may be a page's own kind of them; None: of none."""
    return next((name for name, each in ANALYSES.items() if isinstance(settings, each.settings)), None)


def plain_settings(settings: object) -> Any:
    """The settings without what a page adds to their class."""
    name = name_of(settings)
    if name is None:
        raise TypeError(f"{type(settings).__name__} are settings of no analysis")
    kind = ANALYSES[name].settings
    return kind(**{each.name: getattr(settings, each.name) for each in fields(kind)})
