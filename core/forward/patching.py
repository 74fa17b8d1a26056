"""What does the model say when one value of its run is copied from another run?

Both prompts run once without any change; then each value to be copied is a row of a batch, which
starts from the base run at the layer where the value stands. So layers before it are not run again,
and all positions, layers and pairs share passes. Prompts must have the same number of tokens.

8-bit models quantise activations by the rows of a batch, so there every row runs alone. In half
precision the size of a batch changes the last bits of a result.
"""

from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from dataclasses import dataclass
from itertools import groupby
from typing import Any, Literal, get_args

import torch
from torch import Tensor, nn

from core.forward.record import first
from core.hooks import InputHook, OutputHook, own_hooks
from core.model.load import LoadedModel, full_memory_told

#: What may be copied: what the FFN or attention adds, the residual stream after the layer, one head, one neuron.
Site = Literal["ffn", "attention", "residual", "head", "neuron"]


SITES: tuple[Site, ...] = get_args(Site)


_ROW_TOKENS = {"cpu": 2048, "cuda": 16384}  # a batch that fills the processor and stays in its caches


_LOGITS = 2**25


@dataclass(frozen=True)
class Place:
    """Where a value is copied; `index` is the head's or neuron's number."""

    site: Site
    layer: int
    position: int
    index: int = 0


class PairRuns:
    """The runs without changes of some pairs of prompts, kept so that layers can be run again.

    Attributes:
        logits: what follows the last token, [pair, run, vocab], the base run first.
    """

    def __init__(self, lm: LoadedModel, bases: list[list[int]], alternatives: list[list[int]], sites: Sequence[Site]):
        self._lm = lm
        self._inputs: list[list[Tensor]] = [[] for _ in range(lm.n_layers)]
        self._calls: list[tuple[tuple, dict]] = []
        self._ends: list[Tensor] = []
        self._seen: dict[tuple[Site, int], list[Tensor]] = {(s, n): [] for s in sites for n in range(lm.n_layers)}
        batches = [bases, alternatives] if lm.precision == "int8" else [bases + alternatives]
        with own_hooks(*self._notes()):
            for batch in batches:
                self._calls.clear()
                lm.run(torch.tensor(batch, device=lm.device), **_causal(lm, len(batch[0])))
        n = len(bases)
        self._base = [torch.cat(parts)[:n] for parts in self._inputs]  # (pair, pos, d_model) before each layer
        self._other = {key: torch.cat(parts)[n:] for key, parts in self._seen.items()}  # (pair, pos, width)
        with lm.lock, torch.no_grad():
            runs = [self._read(end) for end in self._ends]
        self.logits = torch.cat(runs).unflatten(0, (2, n)).transpose(0, 1)
        self._inputs.clear()
        self._seen.clear()

    def _notes(self) -> tuple[list, list, list]:
        """Hooks that keep what a run without changes does."""
        modules = self._lm.modules
        calls = []
        for number, layer in enumerate(modules.layers):

            def note(args: tuple, kwargs: dict, n: int = number) -> None:
                self._inputs[n].append(args[0])
                self._calls.append((args[1:], kwargs))

            calls.append((layer, note))
        before: list[tuple[nn.Module, InputHook]] = []
        after: list[tuple[nn.Module, OutputHook]] = [
            (modules.layers[-1], lambda output: self._ends.append(first(output)[:, -1:]))
        ]
        for (site, number), kept in self._seen.items():
            module = _module(self._lm, site, number)

            def keep(value: Any, kept: list[Tensor] = kept) -> None:
                kept.append(first(value))

            (before if site in ("head", "neuron") else after).append((module, keep))
        return before, after, calls

    def patched(self, rows: Sequence[tuple[int, Place]]) -> Tensor:
        """Logits [row, vocab] after the last token of base runs, each with one value copied.

        Args:
            rows: number of the pair, and the place; in order of layer.
        """
        lm = self._lm
        by_layer = {layer: list(some) for layer, some in groupby(rows, key=lambda row: row[1].layer)}
        x = self._base[0][:0]  # (row, pos, d_model), no rows yet
        for layer in range(rows[0][1].layer, lm.n_layers):
            new = by_layer.get(layer, [])
            with self._copying(layer, new, len(x)):
                if new:
                    x = torch.cat([x, self._base[layer][[pair for pair, _ in new]]])
                args, kwargs = self._calls[layer]
                x = first(lm.modules.layers[layer](x, *args, **kwargs))
        return self._read(x[:, -1:])

    def _read(self, end: Tensor) -> Tensor:
        return self._lm.modules.unembedding(self._lm.modules.final_norm(end))[:, 0]

    def _copying(self, layer: int, rows: list[tuple[int, Place]], offset: int) -> AbstractContextManager[None]:
        before: list[tuple[nn.Module, InputHook]] = []
        after: list[tuple[nn.Module, OutputHook]] = []
        numbered = [(offset + i, pair, place) for i, (pair, place) in enumerate(rows)]
        for site in dict.fromkeys(place.site for _, place in rows):
            mine = [row for row in numbered if row[2].site == site]
            hook = _copy(mine, self._other[site, layer], {"head": self._lm.d_head, "neuron": 1}.get(site))
            (before if site in ("head", "neuron") else after).append((_module(self._lm, site, layer), hook))
        return own_hooks(before, after)


def _module(lm: LoadedModel, site: Site, layer: int) -> nn.Module:
    modules = lm.modules
    if site == "residual":
        return modules.layers[layer]
    where = {"ffn": modules.ffn, "attention": modules.attention, "head": modules.head_output}
    return where.get(site, modules.neuron_output)(layer)


def _copy(rows: list[tuple[int, int, Place]], source: Tensor, width: int | None) -> OutputHook:
    """Puts values of `source` (pair, pos, width) into some rows; whole vectors, or `width` entries of them."""
    row, pair, position, index = (
        torch.tensor(column, device=source.device)[:, None]
        for column in zip(*((row, pair, place.position, place.index) for row, pair, place in rows), strict=True)
    )
    span = source.shape[-1] if width is None else width
    columns = index * span + torch.arange(span, device=source.device)  # (row, width); whole vectors have index 0
    copied = source[pair, position, columns]

    def hook(output: Any) -> Any:
        value = first(output).clone()
        value[row, position, columns] = copied
        return (value, *output[1:]) if isinstance(output, tuple) else value

    return hook


def _causal(lm: LoadedModel, n: int) -> dict[str, Tensor]:
    """Positions and mask of a batch of one, which serve any number of rows."""
    mask = torch.full((n, n), torch.finfo(lm.dtype).min, dtype=lm.dtype).triu(1)
    return {
        "position_ids": torch.arange(n, device=lm.device)[None],
        "attention_mask": mask[None, None].to(lm.device),
    }


def pairs_at_once(lm: LoadedModel, n_tokens: int, n_places: int) -> int:
    """How many pairs fit comfortably into one `PairRuns` and one batch of rows."""
    return 1 if lm.precision == "int8" else max(1, _rows_at_once(lm, n_tokens) // n_places)


def each_patched(
    lm: LoadedModel, runs: PairRuns, rows: Sequence[tuple[int, Place]], n_tokens: int
) -> Iterator[tuple[int, Tensor]]:
    """Yields (number of the first row, logits [row, vocab]) of batches of rows; rows in order of layer."""
    step = 1 if lm.precision == "int8" else _rows_at_once(lm, n_tokens)
    for start in range(0, len(rows), step):
        with lm.lock, full_memory_told(), torch.no_grad():
            logits = runs.patched(rows[start : start + step])
        yield start, logits


def _rows_at_once(lm: LoadedModel, n_tokens: int) -> int:
    return max(1, min(_ROW_TOKENS[lm.device.type] // n_tokens, _LOGITS // lm.n_vocab))
