"""Pruning of one adapter from its settings to what is shown: the neurons by case, and accuracy by the share kept."""

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from core.errors import UserError
from core.forward.layer_inputs import LayerInputs, right_answers
from core.forward.rows import TrainingRows
from core.lora.prune import DeepRankings, find_to_keep
from core.lora.prune_curve import KEPT_SHARES, PruneCurve, prune_curve
from core.lora.report import finding_prompts
from core.lora.settings import LoraSettings
from core.model.adapters import attach
from core.model.load import LoadedModel
from core.progress import Progress, part, silent
from core.prompts.signed_arithmetic import negative_data

N_TEST = 400


@dataclass(frozen=True)
class PruneStudy:
    """The neurons by case, and accuracy with some of them kept.

    Attributes:
        found: the deep neurons in order of their change, case by case.
        curve: accuracy by the share kept.
        accuracy: with every neuron, on the same prompts.
        n_test: how many prompts.
    """

    found: DeepRankings
    curve: PruneCurve
    accuracy: float
    n_test: int


def check_top(lm: LoadedModel, from_layer: int, n: int) -> None:
    """Raises `UserError` where there are fewer deep neurons than are asked for."""
    if n > (most := (lm.n_layers - from_layer) * lm.n_neurons):
        raise UserError(f"There are {most:,} deep neurons. Choose a smaller n, or lower layers.")


def study_pruning(
    lm: LoadedModel,
    folder: str | Path,
    settings: LoraSettings,
    from_layer: int,
    n: int,
    n_two_digit: int,
    shares: Sequence[float] = KEPT_SHARES,
    n_test: int = N_TEST,
    progress: Progress = silent,
) -> PruneStudy:
    """Finds the deep neurons that differ between a model and its adapter, and keeps several shares of them.

    Args:
        lm: the base model.
        folder: of the adapter.
        settings: with which the adapter was trained; they give training and test prompts.
        from_layer: the first deep layer.
        n: top n of each case, an answer token.
        n_two_digit: how many two-digit training prompts find the neurons; 0: every one-digit prompt.
        shares: of the deep neurons, for the curve.
        n_test: at most this many of the test prompts are asked.
        progress: told after every prompt and accuracy.

    Raises:
        UserError: for an adapter, layer or number that does not exist, or deep layers below the adapter's.
    """
    check_top(lm, from_layer, n)
    model = attach(lm, folder)
    prompts = finding_prompts(settings, n_two_digit)
    found = find_to_keep(lm, model, from_layer, n, prompts, part(progress, 0, 3, 2))
    test = TrainingRows.of(lm, negative_data(None, settings.n_test, settings.seed).test[:n_test])
    curve = prune_curve(model, found, n, test, shares, progress=part(progress, 2, 3))
    accuracy = float(right_answers(model, LayerInputs(model, test)).float().mean())
    return PruneStudy(found, curve, accuracy, len(test))
