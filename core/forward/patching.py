"""Activation patching: logits of one prompt's run with single values copied from another prompt's run.

Both prompts run once without any change; then each value to be copied is a row of a batch, which joins at the
layer of the value (`core.forward.replay`). So layers below it are not run again, and all positions,
layers and pairs share passes. Both prompts of a pair must have the same number of tokens.

8-bit models quantise activations by the rows of a batch, so there every row runs alone. In half precision the
size of a batch changes the last bits of a result.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Literal, get_args

import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor, nn

from core.forward.record import first
from core.forward.replay import Hooks, Replay, Row, causal_inputs, read_logits, rows_that_fit
from core.hooks import InputHook, OutputHook
from core.model.load import LoadedModel

#: What may be copied: what the FFN or attention adds, the residual stream after the layer, one head, one neuron.
Site = Literal["ffn", "attention", "residual", "head", "neuron"]


SITES: tuple[Site, ...] = get_args(Site)


@dataclass(frozen=True)
class Place:
    """Where a value is copied; `index` is the head's or neuron's number."""

    site: Site
    layer: int
    position: int
    index: int = 0


class PairRuns:
    """The runs of some pairs of prompts without changes, kept so that layers can be run again.

    Attributes:
        logits: what follows the last token, the base run first.
    """

    logits: Float[Tensor, "pair run vocab"]

    def __init__(self, lm: LoadedModel, bases: list[list[int]], alternatives: list[list[int]], sites: Sequence[Site]):
        self._lm, n = lm, len(bases)
        seen: dict[tuple[Site, int], list[Tensor]] = {(site, at): [] for site in sites for at in range(lm.n_layers)}
        ids = torch.tensor(bases + alternatives, device=lm.device)
        self._replay, logits = Replay.capture(lm, ids, causal_inputs(lm, ids.shape[1]), _notes(lm, seen), n_logits=1)
        self._alternative = {key: torch.cat(parts)[n:] for key, parts in seen.items()}  # (pair, pos, width)
        self.logits = rearrange(logits[:, -1], "(run pair) vocab -> pair run vocab", run=2)

    def patched(self, rows: Sequence[tuple[int, Place]]) -> Float[Tensor, "row vocab"]:
        """Logits after the last token of base runs, each with one value copied.

        Args:
            rows: number of the pair, and the place; in order of layer.
        """

        def copied(layer: int, new: range) -> Hooks:
            return self._copies(layer, [(row, *rows[row]) for row in new])

        with self._lm.lock:
            end = self._replay.run([Row(pair, place.layer) for pair, place in rows], copied)[:, -1:]
            return read_logits(self._lm, end)[:, 0]

    def _copies(self, layer: int, rows: list[tuple[int, int, Place]]) -> Hooks:
        before: list[tuple[nn.Module, InputHook]] = []
        after: list[tuple[nn.Module, OutputHook]] = []
        for site in dict.fromkeys(place.site for *_, place in rows):
            mine = [row for row in rows if row[2].site == site]
            hook = _copy(mine, self._alternative[site, layer], {"head": self._lm.d_head, "neuron": 1}.get(site))
            (before if _is_input(site) else after).append((_module(self._lm, site, layer), hook))
        return Hooks(before, after)


def _notes(lm: LoadedModel, seen: dict[tuple[Site, int], list[Tensor]]) -> Hooks:
    """Hooks that keep the value of each site and layer."""
    before: list[tuple[nn.Module, InputHook]] = []
    after: list[tuple[nn.Module, OutputHook]] = []
    for (site, layer), kept in seen.items():

        def keep(value: Any, kept: list[Tensor] = kept) -> None:
            kept.append(first(value))

        (before if _is_input(site) else after).append((_module(lm, site, layer), keep))
    return Hooks(before, after)


def _is_input(site: Site) -> bool:
    """Whether a site's value is the input of its module; else it is the output."""
    return site in ("head", "neuron")


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


def pairs_that_fit(lm: LoadedModel, n_tokens: int, n_places: int) -> int:
    """How many pairs fit comfortably into one `PairRuns` and one batch of rows."""
    return max(1, rows_that_fit(lm, n_tokens, 1) // n_places)


def each_patched(
    lm: LoadedModel, runs: PairRuns, rows: Sequence[tuple[int, Place]], n_tokens: int
) -> Iterator[tuple[int, Float[Tensor, "row vocab"]]]:
    """Yields (number of the first row, logits) of batches of rows; rows in order of layer."""
    step = rows_that_fit(lm, n_tokens, 1)
    for start in range(0, len(rows), step):
        with torch.no_grad():
            logits = runs.patched(rows[start : start + step])
        yield start, logits
