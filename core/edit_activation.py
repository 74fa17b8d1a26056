"""Was there anything to scale? What an edited head or neuron says, before and after the edit.

A neuron: its coefficient; a head: the length of its output. At the last position, averaged
over prompts. Where it says next to nothing, no factor can matter. "After" is measured in
the edited run, behind the edit: edits of earlier layers count too.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from core.edit_set import place_of
from core.heads_off import trees_for
from core.hooks import Edit, InputHook, intervene, own_hooks

if TYPE_CHECKING:
    from core.model import LoadedModel


def activations(
    lm: "LoadedModel", sequences: Sequence[Sequence[int]], edits: Sequence[Edit]
) -> Float[Tensor, "run edit"]:
    """What each edit's head or neuron says in the original run (first row) and in the edited one (second)."""
    before = _measured(lm, sequences, edits)
    with intervene(lm, *edits):
        after = _measured(lm, sequences, edits)
    return torch.stack([before, after])


def _measured(lm: "LoadedModel", sequences: Sequence[Sequence[int]], edits: Sequence[Edit]) -> Tensor:
    total = torch.zeros(len(edits))
    for tree in trees_for(lm, [list(ids) for ids in sequences]):
        ends = torch.tensor([path[-1] for path in tree.paths], device=lm.device)
        inputs = tree.inputs(lm.device, lm.dtype)
        with _watching(lm, edits, ends, total), torch.no_grad():
            lm.run(inputs.pop("input_ids"), **inputs)
    return total / len(sequences)


@contextmanager
def _watching(lm: "LoadedModel", edits: Sequence[Edit], ends: Tensor, total: Tensor) -> Iterator[None]:
    """Adds to `total` what each edit's head or neuron says at the end nodes of a tree."""
    neurons: dict[int, list[tuple[int, int]]] = {}
    heads: dict[int, list[tuple[int, int]]] = {}
    for number, edit in enumerate(edits):
        kind, layer, index = place_of(edit)
        (heads if kind == "head" else neurons).setdefault(layer, []).append((number, index))

    def coefficients(some: list[tuple[int, int]]) -> InputHook:
        def note(value: Tensor) -> None:  # (1, node, neuron)
            found = value[0, ends][:, [index for _, index in some]].float().sum(0).cpu()
            total[[number for number, _ in some]] += found

        return note

    def lengths(some: list[tuple[int, int]]) -> InputHook:
        def note(value: Tensor) -> None:  # (1, node, head * d_head)
            by_head = value[0, ends].float().unflatten(-1, (lm.n_heads, lm.d_head))
            found = by_head[:, [index for _, index in some]].norm(dim=-1).sum(0).cpu()
            total[[number for number, _ in some]] += found

        return note

    hooks = [(lm.modules.neuron_output(layer), coefficients(some)) for layer, some in neurons.items()]
    hooks += [(lm.modules.head_output(layer), lengths(some)) for layer, some in heads.items()]
    with own_hooks(before=hooks):
        yield
