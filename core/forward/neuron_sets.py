"""Sets of FFN neurons that are scaled together: the top k, all others of some layers, or as many random ones.

`scaled_neurons` runs a block of code under one set, `core.forward.ablate_neurons` runs many questions at once, each
under its own. The neurons are scaled at every position.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cached_property

import torch
from jaxtyping import Bool
from torch import Tensor

from core.errors import UserError
from core.hooks import InputHook, check_neuron, own_hooks
from core.model.load import LoadedModel
from core.types import Neuron


@dataclass(frozen=True)
class NeuronSet:
    """Neurons whose coefficients are multiplied by one factor.

    Attributes:
        neurons: (layer, neuron) pairs.
        factor: 0 ablates them, 1 changes nothing.
        others_in: None: the neurons themselves are scaled. Layers: all *other* neurons of
            these layers are, and the given ones stay as they are ("keep").
    """

    neurons: tuple[Neuron, ...]
    factor: float = 0.0
    others_in: range | None = None

    @cached_property
    def by_layer(self) -> dict[int, list[int]]:
        """The given neurons' indices, by layer."""
        found: dict[int, list[int]] = {}
        for layer, neuron in self.neurons:
            found.setdefault(layer, []).append(neuron)
        return found

    @property
    def layers(self) -> list[int]:
        """The layers in which something may be scaled, ascending."""
        return sorted(self.by_layer if self.others_in is None else self.others_in)

    def mask(self, layer: int, n_neurons: int) -> Bool[Tensor, " neuron"]:
        """Which neurons of a layer are scaled."""
        named = torch.zeros(n_neurons, dtype=torch.bool)
        named[self.by_layer.get(layer, [])] = True
        if self.others_in is None:
            return named
        return ~named if layer in self.others_in else torch.zeros_like(named)

    def check(self, lm: LoadedModel) -> None:
        """Raises `UserError` for neurons or layers that do not exist, or a factor that is not finite."""
        if not abs(self.factor) < float("inf"):
            raise UserError(f"The factor {self.factor} is not finite. Use for example 0 (off) or 2.")
        for layer, neuron in self.neurons:
            check_neuron(lm, layer, neuron)
        if absent := [layer for layer in self.others_in or () if not 0 <= layer < lm.n_layers]:
            raise UserError(f"Layer {absent[0]} does not exist: this model has layers 0 to {lm.n_layers - 1}.")


def only(neurons: Sequence[Neuron], lowest_layer: int, lm: LoadedModel) -> NeuronSet:
    """*Keep*: all neurons but these at zero, from a layer to the last (CNA §4.2)."""
    return NeuronSet(tuple(neurons), 0.0, range(lowest_layer, lm.n_layers))


def random_like(lm: LoadedModel, neurons: Sequence[Neuron], seed: int) -> NeuronSet:
    """As many random neurons at zero, as many in each layer: the control of a set.

    Drawn from all neurons of the layer (*choice*), so that a control also exists for sets
    of more than half a layer; some of the set may be among them.
    """
    draw = torch.Generator().manual_seed(seed)
    drawn: list[Neuron] = []
    for layer, same in sorted(NeuronSet(tuple(neurons)).by_layer.items()):
        picked = torch.randperm(lm.n_neurons, generator=draw)[: len(set(same))]
        drawn += [(layer, n) for n in picked.sort().values.tolist()]
    return NeuronSet(tuple(drawn))


@contextmanager
def scaled_neurons(lm: LoadedModel, chosen: NeuronSet) -> Iterator[None]:
    """Scales a set of neurons, for this context, while the block runs.

    The same as `intervene` with one `ScaleNeuron` a neuron, for sets of any size.

    Raises:
        UserError: on entry, for neurons that do not exist.
    """
    chosen.check(lm)
    hooks = [
        (lm.modules.neuron_output(layer), _scaling(chosen.mask(layer, lm.n_neurons).to(lm.device), chosen.factor))
        for layer in chosen.layers
    ]
    with own_hooks(before=hooks):
        yield


def _scaling(mask: Tensor, factor: float) -> InputHook:
    def scale(value: Tensor) -> Tensor | None:
        if factor == 1.0:
            return None
        if factor == 0.0:
            return value.masked_fill(mask, 0.0)  # also where the value is not finite
        return torch.where(mask, value * factor, value)

    return scale
