"""Where does information flow? Copy one value of another prompt's run into this one and see what changes.

Causal mediation (CMA, arXiv 2305.15054). A large effect says that what the value holds differs
between the two prompts and reaches the result; not that it was computed there. A copied value is set
into a run that it does not belong to, and modules that can stand in for each other show small effects
one at a time.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from torch import Tensor

from core.effects import Effects
from core.errors import UserError
from core.mediation_measure import measure
from core.mediation_pairs import Pair, check_differ, typed_pair
from core.patching import Place, Site
from core.progress import Progress, Stopped, silent

if TYPE_CHECKING:
    from core.model import LoadedModel

#: Sites with one value at each layer and position.
LAYER_SITES: tuple[Site, ...] = ("ffn", "attention", "residual")


@dataclass(frozen=True)
class IndirectEffects(Effects):
    """Effects of one site at each layer and position [layer, pos].

    Attributes:
        site: ffn, attention or residual.
        tokens: the base prompt's tokens as text.
        alternative_tokens: the alternative's.
    """

    site: Site
    tokens: list[str]
    alternative_tokens: list[str]

    def to_frame(self) -> pd.DataFrame:
        """One row a layer and position, with P and P* of both results."""
        n_layers, n_pos = self.effect.shape
        index = pd.MultiIndex.from_product([range(n_layers), range(n_pos)], names=["layer", "position"])
        frame = pd.DataFrame({"token": self.tokens * n_layers}, index=index).reset_index()
        return frame.join(super().to_frame())


@dataclass(frozen=True)
class Mediation:
    """Effects of many pairs.

    Attributes:
        pairs: the pairs that were measured (before a Stop, if there was one).
        asked: how many there were to measure.
        effects: for each site, the effects of each pair.
    """

    pairs: list[Pair]
    asked: int
    effects: dict[Site, list[IndirectEffects]]


def mediate(
    lm: "LoadedModel",
    pairs: Sequence[Pair],
    sites: Sequence[Site] = ("ffn", "attention"),
    progress: Progress = silent,
) -> Mediation:
    """Copies every layer's and position's value, one at a time, for every pair.

    Args:
        lm: the model.
        pairs: from `draw_pairs` or `typed_pair`.
        sites: of ffn, attention and residual.
        progress: told after every batch; after `Stopped`, the pairs measured so far are returned.

    Raises:
        UserError: for no pairs, two prompts that are the same, or another site.
        Stopped: when no pair was measured yet.
    """
    if not pairs:
        raise UserError("There is no pair of prompts to measure.")
    if unknown := [s for s in sites if s not in LAYER_SITES]:
        raise UserError(f"Site {unknown[0]!r} does not exist here: use one of {', '.join(LAYER_SITES)}.")

    check_differ(pairs)

    def places(n_tokens: int) -> list[Place]:
        return [Place(s, layer, pos) for layer in range(lm.n_layers) for s in sites for pos in range(n_tokens)]

    found = measure(lm, pairs, places, progress)
    done = [(pair, effects) for pair, effects in zip(pairs, found, strict=True) if effects is not None]
    if not done:
        raise Stopped
    out = {
        site: [_of_site(lm, pair, effects, site, number, len(sites)) for pair, effects in done]
        for number, site in enumerate(sites)
    }
    return Mediation([pair for pair, _ in done], len(pairs), out)


def _of_site(lm: "LoadedModel", pair: Pair, found: Effects, site: Site, number: int, n_sites: int) -> IndirectEffects:
    def part(flat: Tensor) -> Tensor:
        shape = (lm.n_layers, n_sites, len(pair.base_ids))
        return flat.unflatten(0, shape)[:, number].contiguous()

    return IndirectEffects(
        **_reshaped(found, part), site=site,
        tokens=[lm.token(i) for i in pair.base_ids], alternative_tokens=[lm.token(i) for i in pair.alternative_ids],
    )  # fmt: skip


def _reshaped(found: Effects, part: Callable[[Tensor], Tensor]) -> dict:
    by_place = ("patched", "prediction", "effect", "log_effect")
    return {name: part(value) if name in by_place else value for name, value in vars(found).items()}


def indirect_effects(
    lm: "LoadedModel",
    base: str,
    alternative: str,
    site: Site = "ffn",
    base_result: int | str | None = None,
    alternative_result: int | str | None = None,
    progress: Progress = silent,
) -> IndirectEffects:
    """Indirect effect of each layer and position of one pair of prompts.

    Args:
        lm: the model.
        base: the prompt whose run is changed.
        alternative: the prompt that values are copied from; as many tokens as the base.
        site: ffn or attention (what they add to the residual stream), or residual (the whole
            stream after the layer).
        base_result: r, a token id or the text of one token; None: the base run's own prediction.
        alternative_result: r', likewise for the alternative run.
        progress: told after every batch.

    Raises:
        UserError: for prompts or results that the model cannot take, prompts that are the same or have
            different numbers of tokens, or another site.
    """
    pair = typed_pair(lm, base, alternative, base_result, alternative_result)
    return mediate(lm, [pair], [site], progress).effects[site][0]
