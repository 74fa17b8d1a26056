"""Random controls of a set of edits: as many other heads and neurons, with the same factors.

They are drawn without repeats from the same layers, among what the set does not edit (*choice*: a control that
shares edits with the set would hide their effect); where a layer has too few others, the rest comes from other
layers.
"""

from collections.abc import Sequence

import torch

from core.edits.edit_set import EditKind, make_edit, place_of
from core.hooks import Edit
from core.model.load import LoadedModel


def random_edits(lm: LoadedModel, edits: Sequence[Edit], seed: int) -> tuple[Edit, ...]:
    """One random edit for each: same kind and factor, and the same layer where it has others; the same for a seed."""
    draw = torch.Generator().manual_seed(seed)
    used: dict[tuple[EditKind, int], set[int]] = {}
    groups: dict[tuple[EditKind, int], list[Edit]] = {}
    for edit in edits:
        kind, layer, index = place_of(edit)
        groups.setdefault((kind, layer), []).append(edit)
        used.setdefault((kind, layer), set()).add(index)
    out, unplaced = [], []
    for (kind, layer), members in groups.items():
        pool = _shuffled([i for i in range(_n_units(lm, kind)) if i not in used[kind, layer]], draw)
        for edit in members:
            if pool:
                index = pool.pop()
                used[kind, layer].add(index)
                out.append(make_edit(kind, layer, index, edit.factor))
            else:
                unplaced.append(edit)
    for edit in unplaced:
        kind = place_of(edit)[0]
        layer, index = _elsewhere(lm, kind, used, draw)
        used.setdefault((kind, layer), set()).add(index)
        out.append(make_edit(kind, layer, index, edit.factor))
    return tuple(out)


def _n_units(lm: LoadedModel, kind: EditKind) -> int:
    return lm.n_heads if kind == "head" else lm.n_neurons


def _shuffled(pool: list[int], draw: torch.Generator) -> list[int]:
    return [pool[i] for i in torch.randperm(len(pool), generator=draw).tolist()]


def _elsewhere(
    lm: LoadedModel, kind: EditKind, used: dict[tuple[EditKind, int], set[int]], draw: torch.Generator
) -> tuple[int, int]:
    """A head or neuron of another layer that is neither edited nor drawn, or any one when none is left."""
    n_units = _n_units(lm, kind)
    free = [layer for layer in range(lm.n_layers) if len(used.get((kind, layer), ())) < n_units]
    layer = _shuffled(free or list(range(lm.n_layers)), draw)[0]
    taken = used.get((kind, layer), set()) if free else set()
    return layer, _shuffled([i for i in range(n_units) if i not in taken], draw)[0]
