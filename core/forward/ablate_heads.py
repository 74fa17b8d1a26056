"""Logits of one tree of prompts with each attention head ablated, one at a time.

Exact, and cheap because of what stays the same: common beginnings of prompts run once
(`core.forward.prefix_tree`), layers below a head's run once, and all heads share passes: a row of the
batch is the run with one head ablated, and joins the batch at that head's layer (`core.forward.replay`).
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.forward.prefix_tree import PrefixTree
from core.forward.replay import Hooks, Replay, Row, read_logits, rows_that_fit
from core.hooks import InputHook
from core.model.load import LoadedModel
from core.types import Head


@dataclass(frozen=True)
class Read:
    """A place where an answer is read: after `position` of sequence `sequence`."""

    sequence: int
    position: int


@torch.no_grad()
def ablate_each_head(lm: LoadedModel, tree: PrefixTree, reads: Sequence[Read]) -> Iterator[tuple[list[Head], Tensor]]:
    """Yields ([], logits [1, read, vocab] with nothing ablated), then batches (heads, logits [head, read, vocab]).

    Logits are float32 on the model's device.
    """
    where = dict(zip(tree.members, tree.paths, strict=True))
    nodes = torch.tensor([where[read.sequence][read.position] for read in reads], device=lm.device)
    inputs = tree.inputs(lm)
    replay, logits = Replay.capture(lm, inputs.pop("input_ids"), inputs)
    yield [], logits[:, nodes].float()
    everything = [(layer, head) for layer in range(lm.n_layers) for head in range(lm.n_heads)]
    step = rows_that_fit(lm, len(tree.ids), len(reads))
    for start in range(0, len(everything), step):
        heads = everything[start : start + step]
        with torch.no_grad(), lm.lock:
            stream = replay.run([Row(0, layer) for layer, _ in heads], _Ablation(lm, heads))
            logits = read_logits(lm, stream[:, nodes]).float()
        yield heads, logits


@dataclass(frozen=True)
class _Ablation:
    """The hooks of a replay in which row i has head i at zero."""

    lm: LoadedModel
    heads: list[Head]

    def __call__(self, layer: int, new: range) -> Hooks:
        return Hooks([(self.lm.modules.head_output(layer), self._zero(new))] if new else [])

    def _zero(self, rows: range) -> InputHook:
        d_head = self.lm.d_head

        def zero(value: Tensor) -> Tensor:  # (row, node, head by d_head)
            value = value.clone()
            for row in rows:
                head = self.heads[row][1]
                value[row, ..., head * d_head : (head + 1) * d_head] = 0.0
            return value

        return zero
