"""What is computed for the page Causal mediation? Requests, their titles, and the work itself."""

from dataclasses import dataclass
from typing import Any
from uuid import uuid4

import pandas as pd

from core.errors import UserError
from core.jobs.board import Job
from core.mediation.draw import draw_pairs
from core.mediation.measure import Mediation, mediate
from core.mediation.pairs import PromptPair, typed_pair
from core.mediation.summary import cells
from core.mediation.units import UnitEffects, head_effects, important_neurons, neuron_effects
from core.model.load import LoadedModel
from core.progress import Progress
from pages.shared.resources import board, model_key, session_id

NEURONS = 20
_STEPS = 1000


@dataclass(frozen=True)
class Measured:
    """Effects of one kind of pair, and their averages; `wanted` pairs were asked for."""

    found: Mediation
    table: pd.DataFrame
    wanted: int


@dataclass(frozen=True)
class Parts:
    """Effects of single heads, and of the neurons that CNA finds."""

    heads: UnitEffects
    neurons: UnitEffects


def _share(progress: Progress, begin: float, end: float) -> Progress:
    """A `Progress` for a part of the work."""

    def part(done: int, total: int) -> None:
        progress(round(_STEPS * (begin + (end - begin) * done / total)), _STEPS)

    return part


def start(lm: LoadedModel, settings: dict[str, Any]) -> Job:
    """Asks for the effects of one kind of pair, or of a person's own two prompts.

    Raises:
        UserError: for prompts or results that the model cannot take.
    """
    key = ("mediation", *model_key(lm), *settings.items())
    if "base" in settings:
        pair = typed_pair(lm, **settings)
        return board().submit(
            key, "Copying values between your prompts", lambda p: _measured(lm, [pair], 1, p), session_id()
        )
    if not (settings["forms"] and settings["templates"]):
        raise UserError("Choose at least one form and template.")

    def work(progress: Progress) -> Measured:
        pairs = draw_pairs(lm, **settings, progress=_share(progress, 0.0, 0.1))
        return _measured(lm, pairs, settings["count"], _share(progress, 0.1, 1.0))

    return board().submit(key, f"Copying values for {settings['count']} pairs, {settings['kind']}", work, session_id())


def _measured(lm: LoadedModel, pairs: list[PromptPair], wanted: int, progress: Progress) -> Measured:
    found = mediate(lm, pairs, ("ffn", "attention"), progress)
    return Measured(found, cells(found), wanted)


def start_parts(lm: LoadedModel, found: Mediation) -> Job:
    """Asks for the effects of single heads and neurons over pairs that were measured."""
    key = ("mediation parts", *model_key(lm), uuid4().hex)

    def work(progress: Progress) -> Parts:
        heads = head_effects(lm, found.pairs, _share(progress, 0.0, 0.6))
        neurons = important_neurons(
            lm, found.pairs, min(NEURONS, lm.n_layers * lm.n_neurons), _share(progress, 0.6, 0.8)
        )
        return Parts(heads, neuron_effects(lm, found.pairs, neurons, _share(progress, 0.8, 1.0)))

    return board().submit(key, "Copying single heads and neurons", work, session_id())
