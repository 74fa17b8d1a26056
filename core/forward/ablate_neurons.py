"""What does the model answer when every question has its own set of neurons off, many at a time?

A row of the batch is one question under one set. Rows of a batch have the same length,
so nothing is padded; the layers below the lowest scaled neuron are run once a question.
8-bit models quantise activations by the rows of a batch, so there every row runs alone.
Exact: equals one `intervene` block and one run a question.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.forward.answers import Question
from core.forward.neuron_sets import NeuronSet
from core.forward.record import first
from core.hooks import InputHook, own_hooks
from core.model.load import LoadedModel, full_memory_told
from core.progress import Progress, silent
from core.types import Neuron

ROW_TOKENS = {"cpu": 2048, "cuda": 16384}  # a batch that fills the processor and stays in its caches


_LOGITS = 2**25


@dataclass(frozen=True)
class Trial:
    """One sequence, run with one set of neurons scaled."""

    ids: tuple[int, ...]
    scaled: NeuronSet


def right_without(
    lm: LoadedModel, trials: Sequence[tuple[Question, NeuronSet]], progress: Progress = silent
) -> list[bool]:
    """Whether each question's whole answer is right (greedy exact match) under its own set.

    Raises:
        UserError: for neurons that do not exist.
    """
    run = _Run(lm, [Trial((*q.ids, *q.answer[:-1]), chosen) for q, chosen in trials])
    right = [False] * len(trials)
    for numbers in run.batches(max((len(q.answer) for q, _ in trials), default=1), progress):
        begin = min(len(trials[i][0].ids) for i in numbers) - 1
        for i, found in zip(numbers, run.likeliest(numbers, begin), strict=True):
            question = trials[i][0]
            right[i] = found[len(question.ids) - 1 - begin :] == question.answer
    return right


def coefficients_without(
    lm: LoadedModel, trials: Sequence[Trial], watched: Sequence[Sequence[Neuron]], progress: Progress = silent
) -> list[Float[Tensor, " neuron"]]:
    """Coefficients at the last position of some neurons of each trial, under its own set.

    Raises:
        UserError: for neurons that do not exist.
    """
    for neurons in watched:
        NeuronSet(tuple(neurons)).check(lm)
    out = [torch.zeros(len(neurons)) for neurons in watched]
    run = _Run(lm, trials)
    for numbers in run.batches(0, progress):
        watch = _Watch([watched[i] for i in numbers], [out[i] for i in numbers])
        run.hidden(numbers, watch)
    return out


def logits_without(
    lm: LoadedModel, trials: Sequence[Trial], progress: Progress = silent
) -> Float[Tensor, "trial vocab"]:
    """Next-token logits after the last position of each trial, under its own set.

    Raises:
        UserError: for neurons that do not exist.
    """
    out = torch.zeros(len(trials), lm.n_vocab)
    run = _Run(lm, trials)
    for numbers in run.batches(1, progress):
        with lm.lock, full_memory_told(), torch.no_grad():
            hidden = run.hidden(numbers)[:, -1:]
            out[numbers] = lm.modules.unembedding(lm.modules.final_norm(hidden))[:, 0].float().cpu()
    return out


class _Watch:
    """Writes the last coefficients of each row's own neurons where they are wanted."""

    def __init__(self, neurons: Sequence[Sequence[Neuron]], into: Sequence[Tensor]):
        self._into = into
        self._spots: dict[int, list[tuple[int, int, int]]] = {}  # layer -> (row, neuron, place)
        for row, wanted in enumerate(neurons):
            for place, (layer, neuron) in enumerate(wanted):
                self._spots.setdefault(layer, []).append((row, neuron, place))

    @property
    def layers(self) -> list[int]:
        return sorted(self._spots)

    def hook(self, layer: int) -> InputHook:
        spots = self._spots[layer]

        def note(value: Tensor) -> None:  # (row, pos, neuron)
            rows, neurons, _ = (torch.tensor(x, device=value.device) for x in zip(*spots, strict=True))
            for (row, _, place), found in zip(spots, value[rows, -1, neurons].float().tolist(), strict=True):
                self._into[row][place] = found

        return note


class _Run:
    def __init__(self, lm: LoadedModel, trials: Sequence[Trial]):
        self._lm, self._trials = lm, trials
        self._arguments: dict[int, list[tuple[tuple, dict]]] = {}
        for chosen in {trial.scaled for trial in trials}:
            chosen.check(lm)
        for trial in trials:
            lm.check_length(len(trial.ids))

    def batches(self, n_reads: int, progress: Progress) -> Iterator[list[int]]:
        """Numbers of trials of one length, as many as fit comfortably when so many positions are read."""
        lm, trials = self._lm, self._trials
        order = sorted(range(len(trials)), key=lambda i: (len(trials[i].ids), trials[i].ids, i))
        done = 0
        while done < len(order):
            length = len(trials[order[done]].ids)
            room = ROW_TOKENS[lm.device.type] // length
            if n_reads:
                room = min(room, _LOGITS // (n_reads * lm.n_vocab))
            room = 1 if lm.precision == "int8" else max(1, room)
            numbers = [i for i in order[done : done + room] if len(trials[i].ids) == length]
            yield numbers
            done += len(numbers)
            progress(done, len(order))

    def likeliest(self, numbers: Sequence[int], begin: int) -> list[list[int]]:
        """The likeliest next token [row][pos] at every position from `begin`."""
        with self._lm.lock, full_memory_told(), torch.no_grad():
            hidden = self.hidden(numbers)[:, begin:]
            return self._lm.modules.unembedding(self._lm.modules.final_norm(hidden)).argmax(-1).tolist()

    @torch.no_grad()
    def hidden(self, numbers: Sequence[int], watch: _Watch | None = None) -> Tensor:
        """The last layer's output [row, pos, d_model]."""
        lm, rows = self._lm, [self._trials[i] for i in numbers]
        sequences = {ids: at for at, ids in enumerate(dict.fromkeys(row.ids for row in rows))}
        changed = [layer for row in rows for layer in row.scaled.layers[:1]] + (watch.layers[:1] if watch else [])
        joint = min(changed, default=lm.n_layers)  # below, rows of one question are the same
        with lm.lock, full_memory_told():
            layers = list(zip(lm.modules.layers, self._layer_arguments(rows[0].ids), strict=True))
            x = lm.modules.embedding(torch.tensor(list(sequences), device=lm.device))  # (question, pos, d_model)
            for layer, (args, kwargs) in layers[:joint]:
                x = first(layer(x, *args, **kwargs))
            x = x[torch.tensor([sequences[row.ids] for row in rows], device=lm.device)]
            with own_hooks(before=_hooks(lm, rows, joint, watch)):
                for layer, (args, kwargs) in layers[joint:]:
                    x = first(layer(x, *args, **kwargs))
        return x

    def _layer_arguments(self, ids: tuple[int, ...]) -> list[tuple[tuple, dict]]:
        """What each layer is told besides the residual stream (mask, positions): the same for all of a length."""
        if len(ids) not in self._arguments:
            calls: list[tuple[tuple, dict]] = []

            def note(args: tuple, kwargs: dict) -> None:
                calls.append((args[1:], kwargs))

            with own_hooks(calls=[(layer, note) for layer in self._lm.modules.layers]):
                self._lm.run(self._lm.tensor(list(ids)))
            self._arguments[len(ids)] = calls
        return self._arguments[len(ids)]


def _hooks(
    lm: LoadedModel, rows: Sequence[Trial], joint: int, watch: _Watch | None
) -> list[tuple[nn.Module, InputHook]]:
    factors = torch.tensor([row.scaled.factor for row in rows], device=lm.device)[:, None, None]
    touched = {layer for row in rows for layer in row.scaled.layers}
    hooks: list[tuple[nn.Module, InputHook]] = []
    for layer in range(joint, lm.n_layers):
        module = lm.modules.neuron_output(layer)
        if layer in touched:
            mask = torch.stack([row.scaled.mask(layer, lm.n_neurons) for row in rows])
            hooks.append((module, _scale_rows(mask.to(lm.device)[:, None], factors)))
        if watch and layer in watch.layers:
            hooks.append((module, watch.hook(layer)))
    return hooks


def _scale_rows(mask: Tensor, factors: Tensor) -> InputHook:
    only_zeros = bool((factors == 0).all())

    def scale(value: Tensor) -> Tensor:  # (row, pos, neuron)
        if only_zeros:
            return value.masked_fill(mask, 0.0)
        scaled = (value.float() * factors).to(value.dtype)
        scaled = scaled.masked_fill(factors == 0, 0.0)  # also where the value is not finite
        return torch.where(mask & (factors != 1), scaled, value)

    return scale
