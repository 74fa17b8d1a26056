"""Whole measurements of gender bias: the original model, an edit of its neurons, and edits of several sizes."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd

from core.bias.edit import Curve, EditedBias, edit_bias, edit_curve
from core.bias.locate import Located, locate
from core.bias.measure import Bias, BiasWords, LeftOut, known_words, measure_bias
from core.edits.side_effects import SideEffectPrompts
from core.hooks import ScaleNeuron
from core.model.load import LoadedModel
from core.progress import Progress, silent
from core.types import Neuron

MOST_NEURONS = 200
COUNTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 24, 32, 48, 64, 100, 150, 200)


@dataclass(frozen=True)
class BiasStudy:
    """The bias of a model, and the neurons that tell the groups apart.

    Attributes:
        bias: of every profession that the model knows.
        located: every neuron, ranked.
        neurons: table 12 of the first 200 of them, from `Located.to_frame`.
        left_out: words and prompts that the model cannot take.
    """

    bias: Bias
    located: Located
    neurons: pd.DataFrame
    left_out: tuple[LeftOut, ...]


def study_bias(lm: LoadedModel, words: BiasWords, progress: Progress = silent) -> BiasStudy:
    """Measures the bias of every profession and ranks all neurons.

    Raises:
        UserError: for words with which nothing can be measured.
    """
    words.check()
    known, left = known_words(lm, words)
    bias = measure_bias(lm, known)
    located = locate(lm, known, progress=progress)
    return BiasStudy(bias, located, located.to_frame(lm, MOST_NEURONS), tuple(left))


@dataclass(frozen=True)
class NeuronEdit:
    """An edit of located neurons, before and after, and the prompts on which side effects are measured."""

    found: EditedBias
    side_effect_prompts: SideEffectPrompts


def edit_neurons(
    lm: LoadedModel,
    words: BiasWords,
    neurons: Sequence[Neuron],
    factor: float,
    count: int,
    draws: int,
    progress: Progress = silent,
) -> NeuronEdit:
    """Scales neurons together and measures bias and side effects before and after.

    Args:
        lm: the model.
        words: those that the model knows, such as `BiasStudy.bias.words`.
        neurons: (layer, neuron).
        factor: of their coefficients.
        count: arithmetic prompts for each operation and number of digits.
        draws: how many random sets of as many neurons are measured as a control.
        progress: told after every measurement.

    Raises:
        UserError: for no neurons, or ones that the model does not have.
    """
    prompts = SideEffectPrompts.of(lm, count=count)
    edits = [ScaleNeuron(layer, neuron, factor) for layer, neuron in neurons]
    return NeuronEdit(edit_bias(lm, words, prompts, edits, draws, progress=progress), prompts)


def curve_over(
    lm: LoadedModel,
    words: BiasWords,
    neurons: Sequence[Neuron],
    factor: float,
    count: int,
    progress: Progress = silent,
) -> Curve:
    """Scales the first 1, 2, 3 ... of the neurons together, up to all of them; arguments as in `edit_neurons`.

    Raises:
        UserError: for neurons that the model does not have.
    """
    prompts = SideEffectPrompts.of(lm, count=count)
    return edit_curve(lm, words, prompts, neurons, factor, (*COUNTS, len(neurons)), progress)
