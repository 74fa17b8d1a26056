"""Skew of professions between two genders, with intervals over professions (CNA §6.2)."""

from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from core.bias.measure import known_words, measure_bias, paper_words
from core.findings.figures import Figure, of_samples
from core.model.load import LoadedModel
from core.progress import Progress
from core.reading import strict
from core.statistics.intervals import means


@strict
@dataclass(frozen=True)
class ProfessionSkew:
    """Mean log ratios of a profession after its own gender and after the other (nats).

    Attributes:
        professions: how many the model can write.
        prompts: how many it can read.
        left_out: words and prompts that it cannot.
        total: over all professions.
        woman: over those of the paper's list of women.
        man: over those of men.
        size: mean absolute value.
    """

    professions: int
    prompts: int
    left_out: int
    total: Figure
    woman: Figure
    man: Figure
    size: Figure


def measure_skew(lm: LoadedModel, progress: Progress) -> ProfessionSkew:
    """Measures the paper's professions in its prompts.

    Raises:
        UserError: where the model knows too few of them.
    """
    words, left_out = known_words(lm, paper_words())
    each = measure_bias(lm, words, progress).each
    first = len(words.professions[0])
    return ProfessionSkew(
        professions=len(words.words),
        prompts=len(words.prompts),
        left_out=len(left_out),
        total=_mean(each),
        woman=_mean(each[:first]),
        man=_mean(each[first:]),
        size=_mean(each.abs()),
    )


def _mean(values: Float[Tensor, " profession"]) -> Figure:
    return of_samples(means(values), len(values), "")
