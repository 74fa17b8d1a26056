"""Answers, coefficients and logits of many questions at once, each with its own set of neurons scaled.

A row of the batch is one question under one set. It joins the batch at the lowest layer that its set changes
(`core.forward.replay`), so layers below run once per question. Rows of a batch have the same length, so nothing is
padded. 8-bit models quantise activations by the rows of a batch, so there every row runs alone.
Exact: equals one `intervene` block and one run per question.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.forward.answers import Question
from core.forward.neuron_sets import NeuronSet
from core.forward.replay import Arguments, Hooks, Replay, Row, layer_arguments, read_logits, rows_that_fit
from core.hooks import InputHook
from core.model.load import LoadedModel
from core.progress import Progress, silent
from core.types import Neuron


@dataclass(frozen=True)
class Trial:
    """One sequence, run with one set of neurons scaled."""

    ids: tuple[int, ...]
    scaled: NeuronSet


def greedy_without(
    lm: LoadedModel, trials: Sequence[tuple[Question, NeuronSet]], progress: Progress = silent
) -> list[list[int]]:
    """The most likely token at each place of each answer, after the right tokens before it, under each one's own set.

    What `core.forward.answers.greedy_tokens` gives with nothing scaled.

    Raises:
        UserError: for neurons that do not exist.
    """
    runs = _Runs(lm, [Trial((*q.ids, *q.answer[:-1]), chosen) for q, chosen in trials])
    found: list[list[int]] = [[] for _ in trials]
    for numbers in runs.batches(max((len(q.answer) for q, _ in trials), default=1), progress):
        begin = min(len(trials[i][0].ids) for i in numbers) - 1
        for i, best in zip(numbers, runs.logits(numbers, begin).argmax(-1).tolist(), strict=True):
            found[i] = best[len(trials[i][0].ids) - 1 - begin :]
    return found


def coefficients_without(
    lm: LoadedModel, trials: Sequence[Trial], watched: Sequence[Sequence[Neuron]], progress: Progress = silent
) -> list[Float[Tensor, " neuron"]]:
    """Coefficients at the last position of some neurons of each trial, under its own set.

    Raises:
        UserError: for neurons that do not exist.
    """
    for neurons in watched:
        NeuronSet(tuple(neurons)).check(lm)
    runs = _Runs(lm, trials, watched)
    for numbers in runs.batches(0, progress):
        runs.stream(numbers)
    return runs.coefficients


def logits_without(
    lm: LoadedModel, trials: Sequence[Trial], progress: Progress = silent
) -> Float[Tensor, "trial vocab"]:
    """Next-token logits after the last position of each trial, under its own set.

    Raises:
        UserError: for neurons that do not exist.
    """
    out = torch.zeros(len(trials), lm.n_vocab)
    runs = _Runs(lm, trials)
    for numbers in runs.batches(1, progress):
        out[numbers] = runs.logits(numbers, -1)[:, 0].float().cpu()
    return out


class _Runs:
    """The runs of some trials, in batches.

    Args:
        lm: the model.
        trials: sequences with their sets.
        watched: neurons of each trial whose coefficients at the last position are kept.
    """

    def __init__(self, lm: LoadedModel, trials: Sequence[Trial], watched: Sequence[Sequence[Neuron]] = ()):
        self._lm, self._trials = lm, trials
        self._watched = watched or [()] * len(trials)
        self._arguments: dict[int, list[Arguments]] = {}
        self.coefficients = [torch.zeros(len(neurons)) for neurons in watched]
        for chosen in {trial.scaled for trial in trials}:
            chosen.check(lm)
        for trial in trials:
            lm.check_length(len(trial.ids))

    def batches(self, n_reads: int, progress: Progress) -> Iterator[list[int]]:
        """Numbers of trials of one length, in order of the layers where their rows join.

        As many as fit comfortably when logits are read at so many positions.
        """
        trials = self._trials
        order = sorted(range(len(trials)), key=lambda i: (len(trials[i].ids), trials[i].ids, i))
        done = 0
        while done < len(order):
            length = len(trials[order[done]].ids)
            step = rows_that_fit(self._lm, length, n_reads)
            numbers = [i for i in order[done : done + step] if len(trials[i].ids) == length]
            yield sorted(numbers, key=self._first_layer)
            done += len(numbers)
            progress(done, len(order))

    @torch.no_grad()
    def logits(self, numbers: Sequence[int], begin: int) -> Tensor:
        """Next-token logits [row, pos, vocab] of a batch from position `begin` on."""
        with self._lm.lock:
            return read_logits(self._lm, self.stream(numbers)[:, begin:])

    @torch.no_grad()
    def stream(self, numbers: Sequence[int]) -> Tensor:
        """The last layer's output [row, pos, d_model] of a batch; keeps the watched coefficients."""
        questions = [self._trials[i].ids for i in numbers]
        distinct = {ids: number for number, ids in enumerate(dict.fromkeys(questions))}
        rows = [Row(distinct[ids], self._first_layer(i)) for ids, i in zip(questions, numbers, strict=True)]
        with self._lm.lock:
            start = Replay.of_tokens(self._lm, torch.tensor(list(distinct)), self._layer_arguments(len(questions[0])))
            return start.keeping(rows).run(rows, lambda layer, new: self._hooks(numbers[: new.stop], layer))

    def _first_layer(self, number: int) -> int:
        """The lowest layer in which a trial's own row is needed: its set acts there, or a watched neuron is read."""
        layers = [*self._trials[number].scaled.layers, *(layer for layer, _ in self._watched[number])]
        return min(layers, default=self._lm.n_layers)

    def _layer_arguments(self, length: int) -> list[Arguments]:
        if length not in self._arguments:
            self._arguments[length] = layer_arguments(self._lm, length)
        return self._arguments[length]

    def _hooks(self, numbers: Sequence[int], layer: int) -> Hooks:
        """Scales each row's own neurons of a layer, then reads the watched ones."""
        before: list[InputHook] = []
        if any(layer in self._trials[i].scaled.layers for i in numbers):
            before.append(_scale_rows(self._lm, [self._trials[i].scaled for i in numbers], layer))
        if any(where == layer for i in numbers for where, _ in self._watched[i]):
            before.append(self._read(numbers, layer))
        module = self._lm.modules.neuron_output(layer)
        return Hooks([(module, hook) for hook in before])

    def _read(self, numbers: Sequence[int], layer: int) -> InputHook:
        spots = [
            (row, neuron, number, place)
            for row, number in enumerate(numbers)
            for place, (where, neuron) in enumerate(self._watched[number])
            if where == layer
        ]

        def note(value: Tensor) -> None:  # (row, pos, neuron)
            rows, neurons = (torch.tensor([spot[i] for spot in spots], device=value.device) for i in (0, 1))
            for (*_, number, place), found in zip(spots, value[rows, -1, neurons].float().tolist(), strict=True):
                self.coefficients[number][place] = found

        return note


def _scale_rows(lm: LoadedModel, sets: Sequence[NeuronSet], layer: int) -> InputHook:
    """Scales in each row the neurons of a layer that its own set names."""
    mask = torch.stack([chosen.mask(layer, lm.n_neurons) for chosen in sets]).to(lm.device)[:, None]
    factors = torch.tensor([chosen.factor for chosen in sets], device=lm.device)[:, None, None]
    only_zeros = all(chosen.factor == 0 for chosen in sets)

    def scale(value: Tensor) -> Tensor:  # (row, pos, neuron)
        if only_zeros:
            return value.masked_fill(mask, 0.0)
        scaled = (value.float() * factors).to(value.dtype)
        scaled = scaled.masked_fill(factors == 0, 0.0)  # also where the value is not finite
        return torch.where(mask & (factors != 1), scaled, value)

    return scale
