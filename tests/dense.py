"""CNA by the full vocabulary of every neuron (tests.plain), as `core`'s own table."""

from core.model.load import LoadedModel
from core.neurons.comparison import Comparison
from tests import plain


def dense_comparison(
    lm: LoadedModel, ids: list[int], heads: list[tuple[int, int]], k: int, target: int | None = None
) -> Comparison:
    """The k neurons whose importance for a token, else the most likely one, falls most with some heads at zero."""
    runs = [plain.run(lm.model, ids), plain.run(lm.model, ids, heads)]
    target = int(runs[0].logits.argmax()) if target is None else target
    first, second = (plain.importances(lm.model, run, target, runs[0]).flatten() for run in runs)
    best = (first - second).argsort(descending=True, stable=True)[:k]
    coefficients = [run.coefficient.flatten()[best].float() for run in runs]
    return Comparison(
        target,
        *(float(run.logits.softmax(-1)[target]) for run in runs),
        best // lm.n_neurons,
        best % lm.n_neurons,
        (first - second)[best],
        first[best],
        second[best],
        *coefficients,
        compared=len(first),
        by_full_vocabulary=len(first),
    )
