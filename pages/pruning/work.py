"""What the pruning page computes, as a job: the neurons by case, and the curve.

In a file of its own because a page's own classes are made anew at every run.
"""

from dataclasses import dataclass
from pathlib import Path

from core.errors import UserError
from core.forward.layer_inputs import LayerInputs, right_answers
from core.forward.rows import TrainingRows
from core.jobs.job import Job
from core.lora.prune import DeepRankings, find_to_keep
from core.lora.prune_curve import KEPT_SHARES, PruneCurve, prune_curve
from core.lora.report import finding_cases
from core.lora.settings import About
from core.model.adapters import attach
from core.model.load import LoadedModel
from core.progress import Progress, part
from core.prompts.signed_arithmetic import negative_data
from pages.shared.lora.work import digest
from pages.shared.resources import board, model_key, session_id

TEST = 400


@dataclass(frozen=True)
class Pruning:
    """What the page has found: the neurons by case, the curve, and accuracy with every neuron on the same prompts."""

    found: DeepRankings
    curve: PruneCurve
    most: float
    n_test: int


@dataclass(frozen=True)
class Asked:
    """What the form asks for; `two_digit` is 0 for every one-digit case."""

    about: About
    deep: int
    n: int
    two_digit: int


def _work(lm: LoadedModel, folder: Path, asked: Asked, progress: Progress) -> Pruning:
    """Finds the neurons and measures the curve; the curve is the last third of the steps."""
    model, about = attach(lm, folder), asked.about
    prompts = finding_cases(about.settings, asked.two_digit)
    found = find_to_keep(lm, model, asked.deep, asked.n, prompts, part(progress, 0, 3, 2))
    test = TrainingRows.of(lm, negative_data(None, about.settings.n_test, about.settings.seed).test[:TEST])
    curve = prune_curve(model, found, asked.n, test, KEPT_SHARES, progress=part(progress, 2, 3))
    most = float(right_answers(model, LayerInputs(model, test)).float().mean())
    return Pruning(found, curve, most, len(test))


def start(lm: LoadedModel, folder: Path, asked: Asked) -> Job:
    """Asks for the neurons and the curve of an adapter."""
    most = (lm.n_layers - asked.deep) * lm.n_neurons
    if asked.n > most:
        raise UserError(f"There are {most} deep neurons. Choose a smaller n.")
    key = ("pruning", *model_key(lm), digest(folder), asked.deep, asked.n, asked.two_digit)
    return board().submit(key, "Comparing base and adapter", lambda p: _work(lm, folder, asked, p), session_id())
