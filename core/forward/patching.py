"""Activation patching: logits of one prompt's run with single values copied from another prompt's run.

Both prompts run once without any change; then each value to be copied is a row of a batch, which joins at the
layer of the value (`core.forward.replay`). So layers below it are not run again, and all positions,
layers and pairs share passes. Both prompts of a pair must have the same number of tokens.

Attention weights are copied as what heads write with them: the alternative run's weights on the base run's values
(`core.forward.patterns`).

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

from core.forward.patterns import patterned
from core.forward.record import first
from core.forward.replay import Hooks, Replay, Row, causal_inputs, read_logits, rows_that_fit
from core.hooks import InputHook, OutputHook
from core.model.load import LoadedModel

#: What may be copied: the embedding (before layer 0), what the FFN or attention adds, the residual stream after the
#: layer, the attention weights of all heads; the output or the attention weights of one head; one neuron.
Site = Literal["embedding", "ffn", "attention", "residual", "pattern", "head", "head pattern", "neuron"]


SITES: tuple[Site, ...] = get_args(Site)


_PATTERNS = ("pattern", "head pattern")


@dataclass(frozen=True)
class Place:
    """Where a value is copied.

    Attributes:
        site: what is copied.
        layer: its layer; of the embedding 0, whose input it is.
        position: the token; of attention weights the query. None: every position at once.
        index: the head's or neuron's number.
    """

    site: Site
    layer: int
    position: int | None
    index: int = 0


def layers_of(lm: LoadedModel, site: Site) -> range:
    """The layers that have a site: there is one embedding."""
    return range(1 if site == "embedding" else lm.n_layers)


class PairRuns:
    """The runs of some pairs of prompts without changes, kept so that layers can be run again.

    Attributes:
        logits: what follows the last token, the base run first.
    """

    logits: Float[Tensor, "pair run vocab"]

    def __init__(self, lm: LoadedModel, bases: list[list[int]], alternatives: list[list[int]], sites: Sequence[Site]):
        self._lm, n = lm, len(bases)
        seen = {(site, at): _Seen() for site in sites for at in layers_of(lm, site)}
        ids = torch.tensor(bases + alternatives, device=lm.device)
        self._replay, logits = Replay.capture(lm, ids, causal_inputs(lm, ids.shape[1]), _notes(lm, seen), n_logits=1)
        self._source = {key: kept.source(lm, n) for key, kept in seen.items()}  # (pair, pos, width)
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
            hook = _copy(mine, self._source[site, layer], _width(self._lm, site))
            (before if _is_input(site) else after).append((_module(self._lm, site, layer), hook))
        return Hooks(before, after)


class _Seen:
    """What a site and layer had in all runs, base runs first: values, or attention weights with the values read."""

    def __init__(self) -> None:
        self.values: list[Tensor] = []
        self.patterns: list[Tensor] = []

    def source(self, lm: LoadedModel, n_pairs: int) -> Tensor:
        """What is copied into the base runs."""
        values = torch.cat(self.values)
        if not self.patterns:
            return values[n_pairs:]
        return patterned(lm, torch.cat(self.patterns)[n_pairs:], values[:n_pairs])


def _notes(lm: LoadedModel, seen: dict[tuple[Site, int], _Seen]) -> Hooks:
    """Hooks that keep the value of each site and layer."""
    before: list[tuple[nn.Module, InputHook]] = []
    after: list[tuple[nn.Module, OutputHook]] = []
    for (site, layer), found in seen.items():

        def keep(value: Any, kept: list[Tensor] = found.values) -> None:
            kept.append(first(value))

        def keep_pattern(output: Any, kept: list[Tensor] = found.patterns) -> None:
            kept.append(output[1])

        if site in _PATTERNS:
            after += [(lm.modules.value(layer), keep), (lm.modules.attention(layer), keep_pattern)]
        else:
            (before if _is_input(site) else after).append((_module(lm, site, layer), keep))
    return Hooks(before, after)


def _is_input(site: Site) -> bool:
    """Whether a site's value is the input of its module; else it is the output."""
    return site in ("embedding", "head", "neuron", *_PATTERNS)


def _width(lm: LoadedModel, site: Site) -> int | None:
    """How many entries of the vector belong to one head or neuron; None: the whole vector is copied."""
    return {"head": lm.d_head, "head pattern": lm.d_head, "neuron": 1}.get(site)


def _module(lm: LoadedModel, site: Site, layer: int) -> nn.Module:
    modules = lm.modules
    if site in ("embedding", "residual"):
        return modules.layers[layer]
    where = {"ffn": modules.ffn_end, "attention": modules.attention_end, "neuron": modules.neuron_output}
    return where.get(site, modules.head_output)(layer)


def _copy(rows: list[tuple[int, int, Place]], source: Tensor, width: int | None) -> OutputHook:
    """Puts values of `source` (pair, pos, width) into some rows; whole vectors, or `width` entries of them."""
    all_positions = range(source.shape[1])
    cells = [
        (row, pair, position, place.index)
        for row, pair, place in rows
        for position in (all_positions if place.position is None else (place.position,))
    ]
    row, pair, position, index = (
        torch.tensor(column, device=source.device)[:, None] for column in zip(*cells, strict=True)
    )
    span = source.shape[-1] if width is None else width
    columns = index * span + torch.arange(span, device=source.device)  # (cell, width); whole vectors have index 0
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
