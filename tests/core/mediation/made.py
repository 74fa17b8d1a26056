"""Mediations made by hand, so that what is computed from effects can be checked against loops."""

from collections.abc import Sequence

import torch
from torch import Tensor

from core.mediation.groups import by_landmarks, by_roles
from core.mediation.measure import IndirectEffects, Mediation
from core.mediation.pairs import PromptPair

#: What the tokens of "<s> Q 12 + 3 is =" belong to.
SUM = ("others", "others", "first operand", "operator", "second operand", "others", "others")


def pair_of(roles: Sequence[str]) -> PromptPair:
    """A pair of which only the position groups matter, in both groupings."""
    ids = tuple(range(len(roles)))
    return PromptPair("base", "alternative", ids, ids[::-1], 1, 2, by_roles(roles), "given", by_landmarks(roles))


def effects_of(site: str, effect: Tensor) -> IndirectEffects:
    """Effects [layer, pos] of a site; everything else is empty of meaning."""
    layers, n_pos = effect.shape
    none = torch.zeros(layers, n_pos)
    return IndirectEffects(
        base_result=1,
        alternative_result=2,
        clean=torch.log(torch.tensor([[0.8, 0.1], [0.1, 0.8]])),
        patched=torch.log(torch.full((layers, n_pos, 2), 0.3)),
        prediction=none.long(),
        base_prediction=1,
        alternative_prediction=2,
        effect=effect,
        log_effect=torch.log1p(effect),
        metric="indirect effect",
        unit="",
        value_clean=torch.zeros(2),
        value_patched=effect,
        site=site,  # type: ignore[arg-type]
        tokens=["x"] * n_pos,
        alternative_tokens=["y"] * n_pos,
    )


def random_mediation(groups: Sequence[Sequence[str]], n_layers: int, seed: int = 0) -> Mediation:
    """Effects with a long tail, also below zero, of the embedding, FFNs and attention."""
    generator = torch.Generator().manual_seed(seed)
    sites = {"embedding": 1, "ffn": n_layers, "attention": n_layers}
    effects = {
        site: [effects_of(site, torch.expm1(torch.randn(rows, len(mine), generator=generator))) for mine in groups]
        for site, rows in sites.items()
    }
    return Mediation([pair_of(mine) for mine in groups], len(groups), effects)  # type: ignore[arg-type]
