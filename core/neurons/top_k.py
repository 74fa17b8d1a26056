"""The neurons whose importance differs most between two runs: exactly, and mostly without the vocabulary.

Bounds on every neuron's importance in both runs (`core.neurons.bounds`) bound its
change. Neurons whose highest possible change reaches the k-th best are bounded again,
with more tokens; what is left is evaluated by the full vocabulary, the most promising
first, until no other could still enter.
Layers in which both runs are the same are known beforehand: their change is exactly 0.
Ties stand in order of layer and neuron, as in the ranking of all neurons.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property

import torch
from torch import Tensor

from core.forward.record import ActivationCache
from core.model.load import LoadedModel
from core.model.unembed import BLOCK, Unembedding
from core.model.weights import column_blocks, columns_on_device
from core.neurons.bounds import TOKENS, LayerBounds, RunMean, longest_row, run_means, value_extremes, value_lengths
from core.neurons.importance import ROWS, RunSide, exact_importance, sides_of
from core.progress import Progress, silent

_SECOND_LOOK = 8  # the second bounds sum this part of the vocabulary as it is


_AT_ONCE = 32 * ROWS  # neurons by the full vocabulary, for one reading of it


_TIE = 1e-6  # relative: float32 rounding may tie neurons that float64 tells apart


@dataclass(frozen=True)
class RunPair:
    """Two runs to compare at their last positions.

    Attributes:
        models: of the first and the second run; often the same.
        runs: the two runs.
        target: the token w.
        scale: the final norm's frozen scale.
        first_layer: the first layer in which the runs differ.
    """

    models: tuple[LoadedModel, LoadedModel]
    runs: tuple[ActivationCache, ActivationCache]
    target: int
    scale: Tensor
    first_layer: int

    @property
    def shared(self) -> bool:
        """Whether both runs have the same values and output matrix."""
        return self.models[0] is self.models[1]

    def sides(self, number: int, unembedding: Unembedding, layers: range) -> dict[int, RunSide]:
        """One run before the FFNs of some layers add to it."""
        run, some = self.runs[number], slice(layers.start, layers.stop)
        r = run.resid_pre[some, -1] + run.attention_out[some, -1]
        factor = run.coefficient[some, -1] * run.ffn_scale[some, -1, None]
        return dict(zip(layers, sides_of(unembedding, r, factor, self.scale), strict=True))


@dataclass(frozen=True)
class Ranked:
    """Global indices (layer * n_neurons + neuron) in order of change, with both importances [run, neuron]."""

    index: Tensor
    importance: Tensor
    by_full_vocabulary: int


class Evaluator:
    """Importances in both runs, by the full vocabulary, of whichever neurons are asked for."""

    def __init__(self, pair: RunPair):
        self.pair = pair
        self.unembeddings = [Unembedding.of(pair.models[0])]
        self.unembeddings.append(self.unembeddings[0] if pair.shared else Unembedding.of(pair.models[1]))
        self._sides: list[dict[int, RunSide]] = [{}, {}]
        self.n = pair.models[0].n_neurons

    def side(self, number: int, layer: int) -> RunSide:
        """A run before one layer's FFN. Layers in which both runs are the same are read only when asked for."""
        if layer not in self._sides[number]:
            first, end = self.pair.first_layer, self.pair.models[0].n_layers
            layers = range(first, end) if layer >= first else range(first)
            self._sides[number] |= self.pair.sides(number, self.unembeddings[number], layers)
        return self._sides[number][layer]

    @cached_property
    def means(self) -> list[dict[int, RunMean]]:
        """The sides of both runs with the means that bounds need, for the layers in which the runs differ."""
        layers = range(self.pair.first_layer, self.pair.models[0].n_layers)
        sides = [[self.side(number, layer) for layer in layers] for number in (0, 1)]
        found = [run_means(u, some) for u, some in zip(self.unembeddings, sides, strict=True)]
        return [dict(zip(layers, means, strict=True)) for means in found]

    @torch.no_grad()
    def exact(self, index: Tensor) -> Tensor:
        """Importance in both runs [run, neuron], float64, of neurons by global index."""
        if self.pair.shared:
            return self._exact(index, 0, (0, 1))
        return torch.cat([self._exact(index, number, (number,)) for number in (0, 1)])

    def _exact(self, index: Tensor, model: int, numbers: Sequence[int]) -> Tensor:
        layers, neurons = index // self.n, index % self.n
        vectors: list[Tensor] = []
        groups: list[tuple[Tensor, list[RunSide]]] = []
        order: list[Tensor] = []
        for layer in layers.unique().tolist():
            here = (layers == layer).nonzero()[:, 0]
            rows = torch.arange(len(here)) + sum(len(v) for v in vectors)
            columns = columns_on_device(self.pair.models[model].modules.neuron_writer(layer), neurons[here])
            vectors.append(columns.T)
            groups.append((rows.to(columns.device), [self.side(i, layer).of(neurons[here]) for i in numbers]))
            order.append(here)
        found = exact_importance(self.unembeddings[model], torch.cat(vectors), [self.pair.target], groups)[..., 0]
        out = torch.empty_like(found)
        out[:, torch.cat(order)] = found
        if 1 in numbers and self.pair.shared:  # the runs are the same there
            equal = layers < self.pair.first_layer
            out[1, equal] = out[0, equal]
        return out


def rank_all(pair: RunPair, progress: Progress = silent) -> Ranked:
    """Every neuron, by the full vocabulary."""
    work, lm = Evaluator(pair), pair.models[0]
    parts = []
    for layer in range(lm.n_layers):
        parts += [work.exact(some + layer * lm.n_neurons) for some in torch.arange(lm.n_neurons).split(_AT_ONCE)]
        progress(layer + 1, lm.n_layers)
    importance = torch.cat(parts, 1)
    index = torch.arange(importance.shape[1])
    return _ranked(index, importance, len(index), len(index))


def rank_top(pair: RunPair, k: int, progress: Progress = silent) -> Ranked:
    """The k neurons with the largest change, the same as the first k of all."""
    work, lm = Evaluator(pair), pair.models[0]
    steps = lm.n_layers - pair.first_layer + 1
    index, lowest, highest = _change_bounds(work, k, lambda done, _: progress(done, steps))
    order = torch.argsort(highest, descending=True, stable=True)
    index, lowest, highest = index[order], lowest[order], highest[order]
    exact = torch.empty(2, 0, dtype=torch.float64)
    while (done := exact.shape[1]) < len(index):
        known = torch.cat([exact[0] - exact[1], lowest[done:]])
        reach = float(known.kthvalue(len(known) - k + 1).values)
        left = int((highest[done:] >= reach - _TIE * abs(reach)).sum())
        if not left:
            break
        take = min(left, _whole_blocks(k + k // 3) if not done else ROWS)
        exact = torch.cat([exact, work.exact(index[done : done + take])], 1)
    progress(steps, steps)
    return _ranked(index[: exact.shape[1]], exact, k, exact.shape[1])


def _change_bounds(work: Evaluator, k: int, progress: Progress) -> tuple[Tensor, Tensor, Tensor]:
    """Global indices of neurons that can enter, with the lowest and highest possible change of each."""
    pair, n = work.pair, work.n
    equal = min(k, pair.first_layer * n)  # change 0: the first k can enter, by their order
    index, low, high = [torch.arange(equal)], [torch.zeros(equal).double()], [torch.zeros(equal).double()]
    everything = torch.arange(n)
    for layer in range(pair.first_layer, pair.models[0].n_layers):
        lowest, highest = _change_bound(work, layer, everything, TOKENS)
        index.append(everything + layer * n)
        low.append(lowest)
        high.append(highest)
        progress(layer - pair.first_layer + 1, 0)
    found = _that_can_enter(torch.cat(index), torch.cat(low), torch.cat(high), k)
    more = pair.models[0].n_vocab // _SECOND_LOOK
    return _that_can_enter(*_look_again(work, *found, more), k) if more > TOKENS else found


def _that_can_enter(index: Tensor, low: Tensor, high: Tensor, k: int) -> tuple[Tensor, Tensor, Tensor]:
    reach = float(low.kthvalue(len(low) - k + 1).values)
    inside = high >= reach - _TIE * abs(reach)
    return index[inside], low[inside], high[inside]


def _look_again(
    work: Evaluator, index: Tensor, low: Tensor, high: Tensor, tokens: int
) -> tuple[Tensor, Tensor, Tensor]:
    layers = index // work.n
    for layer in layers[layers >= work.pair.first_layer].unique().tolist():
        here = layers == layer
        lowest, highest = _change_bound(work, layer, index[here] % work.n, tokens)
        low[here], high[here] = torch.maximum(low[here], lowest), torch.minimum(high[here], highest)
    return index, low, high


@torch.no_grad()
def _change_bound(work: Evaluator, layer: int, neurons: Tensor, tokens: int) -> tuple[Tensor, Tensor]:
    """Lowest and highest possible change of some neurons of a layer, on the CPU."""
    pair, out = work.pair, []
    for model, numbers in [(0, (0, 1))] if pair.shared else [(0, (0,)), (1, (1,))]:
        lm = pair.models[model]
        extremes = value_extremes(lm, [layer])[layer]
        longest = value_lengths(lm, layer) * longest_row(lm)
        means = [work.means[number][layer] for number in numbers]
        layer_bounds = LayerBounds.of(work.unembeddings[model], pair.target, means, tokens)
        parts = [
            layer_bounds.bounds(columns, extremes[which], longest[which], which)
            for which, columns in _columns(lm, layer, neurons)
        ]
        out += [tuple(torch.cat(ends) for ends in zip(*one, strict=True)) for one in zip(*parts, strict=True)]
    (low_1, high_1), (low_2, high_2) = out
    return (low_1 - high_2).cpu(), (high_1 - low_2).cpu()


def _columns(lm: LoadedModel, layer: int, neurons: Tensor) -> Iterator[tuple[Tensor, Tensor]]:
    """Values of some neurons of a layer as columns, where the model is: blocks of them, each with its neurons."""
    module, count = lm.modules.neuron_writer(layer), max(1, BLOCK // lm.d_model)
    if len(neurons) == lm.n_neurons:
        yield from ((neurons[place], columns) for place, columns in column_blocks(module, count))
    else:
        yield from ((some, columns_on_device(module, some)) for some in neurons.split(count))


def _whole_blocks(n: int) -> int:
    """As many neurons as fit into the same number of products."""
    return -(-n // ROWS) * ROWS


def _ranked(index: Tensor, importance: Tensor, k: int, evaluated: int) -> Ranked:
    change = (importance[0] - importance[1]).float()
    by_index = torch.argsort(index)
    order = by_index[torch.argsort(change[by_index], descending=True, stable=True)][:k]
    return Ranked(index[order], importance[:, order], evaluated)
