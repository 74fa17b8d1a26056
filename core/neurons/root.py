"""The root of the important neurons: the one of the lowest layer, which the others build on (CNA §4.3)."""

from collections.abc import Sequence

from torch import Tensor

from core.errors import UserError
from core.types import Neuron


def root_of(neurons: Sequence[Neuron], importance: Sequence[float] | Tensor) -> Neuron:
    """The neuron of the lowest layer, the most important where that layer has several.

    Args:
        neurons: (layer, neuron) of each.
        importance: of each, in the same order.

    Raises:
        UserError: for no neurons, or one that comes twice.
    """
    if not neurons:
        raise UserError("There are no neurons to connect. Choose k of at least 1.")
    if len(set(neurons)) < len(neurons) or len(importance) != len(neurons):
        raise UserError("Give every neuron once, each with its importance.")
    ranked = zip(neurons, importance, strict=True)
    return min(ranked, key=lambda pair: (pair[0][0], -float(pair[1]), pair[0][1]))[0]
