"""Measures of a patched run beside the indirect effect, as the authors of CMA compute them from probabilities.

Their notebooks (alestolfo/lm-arithmetic, `notebooks_utils.compute_effects`) compute five quantities beside IE from P
(base run) and P* (patched run) of both results r and r'; the names in the table below are theirs. Differences are
shares of 1 and are not dominated by pairs in which P(r') is tiny, unlike IE; but they hardly see pairs whose results
stay improbable. With one result (r = r') the absolute difference is 0 everywhere; they use |P(r) - P*(r)| there.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor


@dataclass(frozen=True)
class ProbabilityChange:
    """A measure of how a copied value changes the probabilities of both results.

    Attributes:
        name: in words.
        authors: the name in the authors' code.
        formula: in LaTeX.
        is_ratio: whether it is a ratio with a long tail, as IE is; else a difference of probabilities.
        compute: from log-probabilities of r and r' in the base run and in the patched runs.
    """

    name: str
    authors: str
    formula: str
    is_ratio: bool
    compute: Callable[[Tensor, Tensor], Tensor]

    def of(self, base: Float[Tensor, " result"], patched: Float[Tensor, "*place result"]) -> Float[Tensor, "*place"]:
        """Its value, in float64.

        Args:
            base: log p of r and r' in the base run.
            patched: the same with a value copied.
        """
        return self.compute(base.double(), patched.double())


def _absolute_difference(base: Tensor, patched: Tensor) -> Tensor:
    change = patched.exp() - base.exp()
    return change[..., 1] - change[..., 0]


def _gain(base: Tensor, patched: Tensor) -> Tensor:
    return patched[..., 1].exp() - base[1].exp()


def _change_of_base(base: Tensor, patched: Tensor) -> Tensor:
    return (patched[..., 0].exp() - base[0].exp()).abs()


def _relative_gain(base: Tensor, patched: Tensor) -> Tensor:
    return torch.expm1(patched[..., 1] - base[1])


def _odds_ratio(base: Tensor, patched: Tensor) -> Tensor:
    return torch.expm1((patched[..., 1] - patched[..., 0]) - (base[1] - base[0]))


_ALL = (
    ProbabilityChange(
        "absolute difference",
        "effect_average_diff",
        r"P(r)-P^*(r)+P^*(r')-P(r')",
        False,
        _absolute_difference,
    ),
    ProbabilityChange("gain of r′", "effect_increase_p_res_alt", r"P^*(r')-P(r')", False, _gain),
    ProbabilityChange("change of r", "effect_diff_int2", r"|P(r)-P^*(r)|", False, _change_of_base),
    ProbabilityChange(
        "relative gain of r′",
        "effect_relative_increase_p_res_alt",
        r"\frac{P^*(r')-P(r')}{P(r')}",
        True,
        _relative_gain,
    ),
    ProbabilityChange(
        "odds ratio",
        "effect in compute_effects_alt, marked as outdated",
        r"\frac{P^*(r')\,/\,P^*(r)}{P(r')\,/\,P(r)}-1",
        True,
        _odds_ratio,
    ),
)


PROBABILITY_CHANGES = {change.name: change for change in _ALL}
