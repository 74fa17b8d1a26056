"""A tree of the common beginnings of many prompts, run in one forward pass.

"3+5=", "3+6=" and "3-1=" share `<s> 3`. A causal model computes the same for the same beginning, so the tree's
nodes run once each, as one sequence: a node attends only to its ancestors (the mask), and its position is its
depth. A hundred one-digit prompts of five tokens are then about 230 nodes rather than 500.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from core.forward.masks import attention_mask
from core.model.load import LoadedModel

NODES = 64


@dataclass(frozen=True)
class PrefixTree:
    """Sequences as one tree.

    Attributes:
        ids: the token of each node, in an order in which parents come first.
        depth: the position of each node in its sequences.
        visible: [node, node], whether a node is an ancestor of another, or itself.
        paths: for each sequence the node at each of its positions.
        members: which of the given sequences these are.
    """

    ids: list[int]
    depth: list[int]
    visible: Tensor
    paths: list[list[int]]
    members: list[int]

    def inputs(self, lm: LoadedModel) -> dict[str, Any]:
        """What a transformers model takes: ids, positions and a mask, batch of one."""
        return {
            "input_ids": torch.tensor([self.ids], device=lm.device),
            "position_ids": torch.tensor([self.depth], device=lm.device),
            "attention_mask": attention_mask(lm, self.visible, torch.tensor(self.depth)),
        }


def build_trees(sequences: Sequence[Sequence[int]], nodes: int = NODES) -> list[PrefixTree]:
    """Puts all sequences into trees of about `nodes` nodes; neighbours in the alphabet share a tree.

    With `nodes=1` every sequence is a tree of its own, and so computed as if alone.
    """
    order = sorted(range(len(sequences)), key=lambda i: tuple(sequences[i]))
    trees: list[PrefixTree] = []
    growing = _Growing()
    for index in order:
        if growing.paths and len(growing.ids) + growing.cost(sequences[index]) > nodes:
            trees.append(growing.finish())
            growing = _Growing()
        growing.add(index, sequences[index])
    if growing.paths:
        trees.append(growing.finish())
    return trees


class _Growing:
    def __init__(self) -> None:
        self.ids: list[int] = []
        self.parents: list[int] = []
        self.depth: list[int] = []
        self.children: dict[tuple[int, int], int] = {}
        self.paths: list[list[int]] = []
        self.members: list[int] = []

    def cost(self, sequence: Sequence[int]) -> int:
        """How many new nodes a sequence needs."""
        node, known = -1, 0
        for token in sequence:
            if (node, token) not in self.children:
                break
            node, known = self.children[node, token], known + 1
        return len(sequence) - known

    def add(self, index: int, sequence: Sequence[int]) -> None:
        node, path = -1, []
        for position, token in enumerate(sequence):
            if (node, token) not in self.children:
                self.children[node, token] = len(self.ids)
                self.ids.append(token)
                self.parents.append(node)
                self.depth.append(position)
            node = self.children[node, token]
            path.append(node)
        self.paths.append(path)
        self.members.append(index)

    def finish(self) -> PrefixTree:
        visible = torch.eye(len(self.ids), dtype=torch.bool)
        for node, parent in enumerate(self.parents):
            if parent >= 0:
                visible[node] |= visible[parent]
        return PrefixTree(self.ids, self.depth, visible, self.paths, self.members)


def trees_for(lm: LoadedModel, sequences: Sequence[Sequence[int]]) -> list[PrefixTree]:
    """Trees that suit the model: shared, or every sequence alone for 8-bit."""
    return build_trees(sequences, nodes=1 if lm.precision == "int8" else NODES)
