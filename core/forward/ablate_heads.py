"""What does the model answer without each head, one head at a time, for many prompts at once?

Exact, and cheap because of what stays the same: common beginnings of prompts run once
(`core.forward.prefix_tree`), layers before a head's run once, and all heads share passes: a row
of the batch is one head switched off, and joins the batch at that head's layer.

8-bit models quantise activations by the rows of a batch, so there every prompt and head
runs alone.
"""

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.forward.prefix_tree import PrefixTree
from core.forward.record import first
from core.hooks import own_hooks
from core.model.load import LoadedModel, full_memory_told
from core.types import Head

_ROW_TOKENS = {"cpu": 2048, "cuda": 16384}  # a batch that fills the processor and stays in its caches


_LOGITS = 2**25


@dataclass(frozen=True)
class Read:
    """A place where an answer is read: after `position` of sequence `sequence`."""

    sequence: int
    position: int


class TreeRun:
    """The run without interventions of one tree, kept so that later layers can be run again."""

    def __init__(self, lm: LoadedModel, tree: PrefixTree):
        self._lm, self.tree = lm, tree
        self._inputs: list[Tensor] = []
        self._calls: list[tuple[tuple, dict]] = []

        def note(args: tuple, kwargs: dict) -> None:
            self._inputs.append(args[0])
            self._calls.append((args[1:], kwargs))

        with own_hooks(calls=[(layer, note) for layer in lm.modules.layers]):
            self.logits = lm.run(**_renamed(tree.inputs(lm.device, lm.dtype)))[0]  # (node, vocab)

    def without(self, heads: Sequence[Head], nodes: Tensor) -> Tensor:
        """Logits [head, node, vocab] at some nodes with each head off by itself; heads in order of layer."""
        modules, d_head = self._lm.modules, self._lm.d_head
        x = self._inputs[0][:0]  # (row, node, d_model), no rows yet
        for layer in range(heads[0][0], self._lm.n_layers):
            new = [head for at, head in heads if at == layer]
            old = len(x)
            if new:
                x = torch.cat([x, self._inputs[layer].expand(len(new), -1, -1)])
            with own_hooks(before=[(modules.head_output(layer), _zero_in_rows(old, new, d_head))] if new else []):
                args, kwargs = self._calls[layer]
                x = first(modules.layers[layer](x, *args, **kwargs))
        return modules.unembedding(modules.final_norm(x[:, nodes]))

    def head_batches(self, n_reads: int) -> Iterator[list[Head]]:
        """All heads in order, as many at a time as fit comfortably."""
        lm = self._lm
        rows = min(_ROW_TOKENS[lm.device.type] // len(self.tree.ids), _LOGITS // (n_reads * lm.n_vocab))
        rows = 1 if lm.precision == "int8" else max(1, rows)
        everything = [(layer, head) for layer in range(lm.n_layers) for head in range(lm.n_heads)]
        for start in range(0, len(everything), rows):
            yield everything[start : start + rows]


@torch.no_grad()
def ablate_each_head(lm: LoadedModel, tree: PrefixTree, reads: Sequence[Read]) -> Iterator[tuple[list[Head], Tensor]]:
    """Yields first ([], logits [1, read, vocab] with nothing off), then batches (heads, logits [head, read, vocab]).

    Logits are float32 on the model's device.
    """
    where = dict(zip(tree.members, tree.paths, strict=True))
    spots = torch.tensor([where[read.sequence][read.position] for read in reads], device=lm.device)
    with lm.lock:
        run = TreeRun(lm, tree)
    yield [], run.logits[spots][None].float()
    for heads in run.head_batches(len(reads)):
        with lm.lock, full_memory_told(), torch.no_grad():
            logits = run.without(heads, spots).float()
        yield heads, logits


def _zero_in_rows(first_row: int, heads: list[int], d_head: int) -> Callable[[Tensor], Tensor]:
    def zero(value: Tensor) -> Tensor:
        value = value.clone()
        for row, head in enumerate(heads, start=first_row):
            value[row, ..., head * d_head : (head + 1) * d_head] = 0.0
        return value

    return zero


def _renamed(inputs: dict[str, Tensor]) -> dict[str, Tensor]:
    return {"batch" if name == "input_ids" else name: value for name, value in inputs.items()}
