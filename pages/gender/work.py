"""The jobs of the page Gender bias: requests, their titles, and the computations."""

from collections.abc import Hashable, Sequence
from dataclasses import dataclass

from core.bias.edit import Curve, EditedBias, edit_bias, edit_curve
from core.bias.locate import Located, locate
from core.bias.measure import Bias, BiasWords, LeftOut, known_words, measure_bias
from core.edits.side_effects import SideEffectPrompts
from core.hooks import ScaleNeuron
from core.jobs.job import Job
from core.model.load import LoadedModel
from core.progress import Progress
from pages.shared.resources import board, model_key, session_id

COUNTS = (1, 2, 3, 4, 5, 6, 8, 10, 12, 15, 18, 24, 32, 48, 64, 100, 150, 200)


@dataclass(frozen=True)
class Measured:
    """Bias of the original, the neurons that tell the groups apart, and what had to be left out."""

    bias: Bias
    located: Located
    left_out: tuple[LeftOut, ...]


@dataclass(frozen=True)
class Edited:
    """An edit of located neurons, with what it should leave alone."""

    found: EditedBias
    prompts: SideEffectPrompts


@dataclass(frozen=True)
class Choice:
    """What is edited and how it is measured: neurons in order, one factor, arithmetic prompts of each kind, draws."""

    words: BiasWords
    neurons: tuple[tuple[int, int], ...]
    factor: float
    count: int
    draws: int

    def key(self, lm: LoadedModel, what: str) -> Hashable:
        """Names everything that a result depends on."""
        return (what, *model_key(lm), self)


def start(lm: LoadedModel, words: BiasWords) -> Job:
    """Asks for the bias of the original and its neurons.

    Raises:
        UserError: for words with which nothing can be measured.
    """
    words.check()

    def work(progress: Progress) -> Measured:
        known, left = known_words(lm, words)
        return Measured(measure_bias(lm, known), locate(lm, known, progress=progress), tuple(left))

    return board().submit(("bias", *model_key(lm), words), "Measuring bias and locating neurons", work, session_id())


def start_edit(lm: LoadedModel, choice: Choice) -> Job:
    """Asks for the bias before and after."""

    def work(progress: Progress) -> Edited:
        prompts = SideEffectPrompts.of(lm, count=choice.count)
        edits = [ScaleNeuron(layer, neuron, choice.factor) for layer, neuron in choice.neurons]
        return Edited(
            edit_bias(lm, choice.words, prompts, edits, choice.draws, progress=progress),
            prompts,
        )

    return board().submit(choice.key(lm, "edit bias"), f"Editing {len(choice.neurons)} neurons", work, session_id())


def start_curve(lm: LoadedModel, choice: Choice) -> Job:
    """Asks for the bias with the first 1, 2, 3 ... neurons edited."""
    n = len(choice.neurons)

    def work(progress: Progress) -> Curve:
        prompts = SideEffectPrompts.of(lm, count=choice.count)
        counts: Sequence[int] = (*COUNTS, n)
        return edit_curve(lm, choice.words, prompts, choice.neurons, choice.factor, counts, progress)

    return board().submit(choice.key(lm, "bias curve"), f"Editing up to {n} neurons", work, session_id())
