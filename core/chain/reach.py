"""Which neurons read what which heads write: the order of attention and FFN within a layer."""

from collections.abc import Sequence

from torch import Tensor

from core.errors import UserError
from core.hooks import check_head
from core.model.load import LoadedModel
from core.neurons.root import root_of
from core.types import Head, Neuron


def check_reach(lm: LoadedModel, heads: list[Head], neuron: Neuron) -> None:
    """Raises `UserError` unless the neuron reads what some of the heads write."""
    for head in heads:
        check_head(lm, *head)
    if not any(reaches(lm, head, neuron) for head in heads):
        names = ", ".join(f"{layer}_{head}" for layer, head in heads) or "none"
        raise UserError(
            f"Neuron {neuron[0]}_{neuron[1]} reads nothing that these heads write: {names}. Choose a head below it."
        )


def reaches(lm: LoadedModel, head: Head, neuron: Neuron) -> bool:
    """Whether a neuron reads after a head wrote: from its layer on; where attention and FFN are parallel, above it."""
    return head[0] < neuron[0] or (head[0] == neuron[0] and not lm.modules.parallel)


def root_below_heads(
    lm: LoadedModel, heads: Sequence[Head], neurons: Sequence[Neuron], importance: Sequence[float] | Tensor
) -> Neuron:
    """The root of those neurons that read what some of the heads write.

    It differs from `root_of` only where attention and FFN are parallel: there a neuron of the head's own layer
    can have a change, because of what it adds to, although it does not read the head (*choice*).

    Raises:
        UserError: where none of the neurons reads a head.
    """
    ranked = [
        pair for pair in zip(neurons, importance, strict=True) if any(reaches(lm, head, pair[0]) for head in heads)
    ]
    if not ranked:
        raise UserError("None of the neurons reads what these heads write. Choose lower heads or more neurons.")
    return root_of([neuron for neuron, _ in ranked], [float(value) for _, value in ranked])
