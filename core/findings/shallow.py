"""The vocabulary filter of shallow neurons, against chance and against random sets (CNA §4.4).

M is chosen so that a filter keeps about as many neurons as asked for. Its decrease of accuracy means something only
beside that of random sets of as many neurons of the same layers: `excess` is the difference, with a paired interval
over prompts, and `p_value` the share of all sets, the filter's among them, that decrease accuracy at least as much.
"""

from collections.abc import Iterator
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.ablation.shallow import ShallowAblation, ablate_shallow
from core.findings.figures import Figure, NotMeasurable, of_samples, share_of
from core.findings.settings import FindingsSettings
from core.model.load import LoadedModel
from core.progress import Progress, part
from core.prompts.arithmetic import Prompt
from core.reading import strict
from core.statistics.intervals import relative_decreases
from core.vocabulary.shallow import ShallowCounts, shallow_counts


@strict
@dataclass(frozen=True)
class ShallowFilter:
    """What the kept neurons are worth at one M.

    Attributes:
        layers: whose neurons were looked at.
        top: how many of a value's top tokens.
        concepts: how many tokens of the vocabulary are concept tokens.
        vocabulary: how many tokens there are.
        more_than: M.
        neurons: how many are kept.
        of: of so many.
        by_chance: how many would be kept if top tokens were drawn at random (an expected value).
        prompts: how many were asked.
        cases: their answer tokens.
        original: share of right answer tokens with nothing ablated.
        decrease: relative, with the kept neurons at zero.
        random: mean relative decrease of the random sets; low and high are the ends of 95% of the sets.
        draws: the relative decrease of each random set.
        excess: decrease less the random sets' mean.
        p_value: as above.
    """

    layers: tuple[int, ...]
    top: int
    concepts: int
    vocabulary: int
    more_than: int
    neurons: int
    of: int
    by_chance: float
    prompts: int
    cases: int
    original: Figure
    decrease: Figure
    random: Figure
    draws: tuple[float, ...]
    excess: Figure
    p_value: float


def measure_filter(
    lm: LoadedModel, settings: FindingsSettings, layers: tuple[int, ...], progress: Progress
) -> tuple[ShallowFilter, ...]:
    """Finds shallow neurons by their weights and ablates them, one set for each size.

    Raises:
        NotMeasurable: where no answer token is right, or no M keeps a neuron but not all.
        UserError: for layers without an attention layer after them.
    """
    asked = filter_prompts(settings)
    top = min(settings.filter_top, lm.n_vocab)
    counts = shallow_counts(lm, layers, top, settings.filter_concepts, progress=part(progress, 0, 4))
    chosen = thresholds(counts, settings.filter_sizes)
    if not chosen:
        raise NotMeasurable(f"The filter keeps none or all of the neurons of layers {layers[0]} to {layers[-1]}.")
    found = ablate_shallow(lm, asked, counts, chosen, settings.filter_draws, settings.seed, part(progress, 1, 4, 3))
    if not found.baseline_right.any():
        raise NotMeasurable(f"No answer token of {len(asked)} prompts is predicted right.")
    return tuple(_filters(found, counts, lm.n_neurons * len(counts.layers), settings.seed))


def filter_prompts(settings: FindingsSettings) -> list[Prompt]:
    """What is asked: for each operation as many prompts of one digit as of two."""
    half = max(1, settings.filter_prompts // 2)
    return [
        p for operation in settings.operations for digits in (1, 2) for p in settings.asked(operation, digits, half)
    ]


def thresholds(counts: ShallowCounts, sizes: tuple[int, ...]) -> list[int]:
    """For each size the least M that keeps at most so many neurons, and at least one."""
    best = counts.count.flatten(0, 1).max(-1).values.sort(descending=True).values.tolist()
    chosen = [best[size] for size in sizes if size < len(best)]
    return [m for m in sorted(set(chosen), reverse=True) if any(value > m for value in best)]


def _filters(found: ShallowAblation, counts: ShallowCounts, of: int, seed: int) -> Iterator[ShallowFilter]:
    n = found.prompts
    original = share_of(int(found.baseline_right.sum()), found.cases)
    falls = relative_decreases(found.baseline_right, found.right.T, found.units, seed)  # (sample, more_than)
    for at, more_than in enumerate(found.more_than):
        random = relative_decreases(found.baseline_right, found.control_right[at].T, found.units, seed)
        draws = random[0]
        yield ShallowFilter(
            layers=tuple(counts.layers),
            top=counts.top,
            concepts=counts.concepts,
            vocabulary=counts.n_vocab,
            more_than=more_than,
            neurons=found.neurons[at],
            of=of,
            by_chance=found.by_chance[at],
            prompts=n,
            cases=found.cases,
            original=original,
            decrease=of_samples(falls[:, at], n, ""),
            random=_over_draws(draws),
            draws=tuple(draws.tolist()),
            excess=of_samples(falls[:, at] - random.mean(1), n, ""),
            p_value=(1 + int((draws >= falls[0, at]).sum())) / (1 + len(draws)),
        )


def _over_draws(draws: Float[Tensor, " draw"]) -> Figure:
    low, high = torch.quantile(draws, torch.tensor([0.025, 0.975], dtype=draws.dtype)).tolist()
    return Figure(float(draws.mean()), low, high)
