"""Which single neurons are worth copying? Those that CNA finds between the two prompts of a pair.

The change of importance of the base's result between base and alternative run (CNA §4.2, one model
with two inputs) orders them; causal mediation then says what each does when it is copied. Shallow
neurons that only prepare what others read have no importance and are not found here.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

from core.compare_runs import compare_runs
from core.errors import UserError
from core.mediation_pairs import Pair, check_differ
from core.progress import Progress, silent
from core.record import record

if TYPE_CHECKING:
    from core.model import LoadedModel

MOST_PAIRS = 20


def important_neurons(
    lm: "LoadedModel", pairs: Sequence[Pair], k: int = 20, progress: Progress = silent
) -> list[tuple[int, int]]:
    """The k neurons (layer, neuron) with the largest change over the pairs, the largest first.

    A neuron's changes are summed over the pairs (the first 20) in which it is among the top k.

    Raises:
        UserError: for no pairs, two prompts that are the same, or a k that is not between 1 and the number of neurons.
    """
    if not pairs:
        raise UserError("Give at least one pair of prompts.")
    check_differ(pairs)
    total: dict[tuple[int, int], float] = {}
    chosen = list(pairs)[:MOST_PAIRS]
    for number, pair in enumerate(chosen):
        runs = record(lm, list(pair.base_ids)), record(lm, list(pair.alternative_ids))
        found = compare_runs((lm, lm), runs, pair.base_result, k)
        for neuron, change in zip(found.pairs, found.change.tolist(), strict=True):
            total[neuron] = total.get(neuron, 0.0) + change
        progress(number + 1, len(chosen))
    return sorted(total, key=lambda neuron: (-total[neuron], neuron))[:k]
