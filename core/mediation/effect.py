"""The indirect effect: how much a copied value moves the model from one result to another.

CMA §2 (arXiv 2305.15054). With P in the base run, P* in the same run with one value copied from the alternative
run, r and r' the results of base and alternative:

    IE = 1/2 [(P(r) - P*(r)) / P*(r) + (P*(r') - P(r')) / P(r')]

and with one result `(P(r) - P*(r)) / P*(r)`. For the total effect, P* is the alternative run itself.

Effects are ratios: where the base run gives r' next to no probability, a small change is a huge effect. Averages
over pairs are therefore dominated by the pairs of which the model is surest.
"""

import math
from dataclasses import dataclass, replace
from typing import Literal, get_args

import pandas as pd
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from core.mediation.probability_changes import PROBABILITY_CHANGES

#: The default measured quantity of patching; the others are `PROBABILITY_CHANGES` and those of `core.metrics`.
INDIRECT_EFFECT = "indirect effect"


#: How effects of several pairs become one number: the mean IE, or the geometric mean of IE + 1, less 1.
Average = Literal["mean", "geometric mean"]


AVERAGES: tuple[Average, ...] = get_args(Average)


@dataclass(frozen=True)
class PatchEffects:
    """One pair of prompts, with one value copied at a time.

    Everything is computed in float64 from logits, in logarithms, so a probability that
    underflows does not become a division by zero. Only a logit of minus infinity does: the effect
    is then infinite, or NaN where both runs have it. Effects above 3e38 are infinite too,
    while their logarithm is not. `IE > -1` always, because `2 (IE + 1)` is the sum of the positive
    ratios P(r) / P*(r) and P*(r') / P(r'); so log(IE + 1) always exists.

    Attributes:
        base_result: the token id r.
        alternative_result: the token id r'.
        clean: log p of r and r' (columns) in the base and the alternative run (rows).
        patched: log p of r and r' in the base run with a value copied.
        prediction: most likely token with a value copied.
        base_prediction: most likely token of the base run.
        alternative_prediction: most likely token of the alternative run.
        effect: IE.
        log_effect: log(IE + 1), in nats.
        metric: name of the measured quantity: "indirect effect", another change of both results' probabilities, or a
            metric of the base's result r.
        unit: of its values; empty where it has none.
        value_clean: the measured quantity in the base and the alternative run (for IE: 0 and the total effect).
        value_patched: the same in the base run with a value copied.
    """

    base_result: int
    alternative_result: int
    clean: Float[Tensor, "run result"]
    patched: Float[Tensor, "*place result"]
    prediction: Int[Tensor, "*place"]
    base_prediction: int
    alternative_prediction: int
    effect: Float[Tensor, "*place"]
    log_effect: Float[Tensor, "*place"]
    metric: str
    unit: str
    value_clean: Float[Tensor, " run"]
    value_patched: Float[Tensor, "*place"]

    @property
    def change(self) -> Float[Tensor, "*place"]:
        """Change of the measured quantity, patched minus base run."""
        return self.value_patched - self.value_clean[0]

    @property
    def total_effect(self) -> float:
        """The effect of the whole alternative run."""
        return float(effect(self.clean.double(), self.clean[1].double(), self._one_result)[0])

    @property
    def wanted(self) -> Bool[Tensor, "*place"]:
        """Whether the prediction changes to the alternative's result."""
        return (self.prediction != self.base_prediction) & (self.prediction == self.alternative_result)

    @property
    def unwanted(self) -> Bool[Tensor, "*place"]:
        """Whether the prediction changes to something else."""
        return (self.prediction != self.base_prediction) & (self.prediction != self.alternative_result)

    @property
    def undesired(self) -> Bool[Tensor, "*place"]:
        """Whether a right prediction changes, as the authors count it.

        Their `compute_prediction_change` counts every change of a base prediction that was right, also a change to
        the alternative's result, so wanted changes of such pairs are among them. They take the most likely of the
        numbers of one token; here predictions are the most likely of all tokens.
        """
        return (self.prediction != self.base_prediction) & (self.base_prediction == self.base_result)

    def measured_by(self, name: str) -> "PatchEffects":
        """The same effects with one of `PROBABILITY_CHANGES` as the measured quantity."""
        change, base = PROBABILITY_CHANGES[name], self.clean[0]
        return replace(
            self,
            metric=name,
            unit="",
            value_clean=torch.stack([change.of(base, base), change.of(base, self.clean[1])]).float(),
            value_patched=change.of(base, self.patched).float(),
        )

    def to_frame(self) -> pd.DataFrame:
        """One row per place.

        IE, probabilities of both results in the three runs, what changed, the metric's change, and every one of
        `PROBABILITY_CHANGES` by its name.
        """
        clean = self.clean.exp()
        return pd.DataFrame(
            {
                "effect": self.effect.flatten().numpy(),
                "log_effect": self.log_effect.flatten().numpy(),
                "base_result": self.base_result,
                "base_in_base": float(clean[0, 0]),
                "base_in_alternative": float(clean[1, 0]),
                "base_patched": self.patched[..., 0].exp().flatten().numpy(),
                "alternative_result": self.alternative_result,
                "alternative_in_base": float(clean[0, 1]),
                "alternative_in_alternative": float(clean[1, 1]),
                "alternative_patched": self.patched[..., 1].exp().flatten().numpy(),
                "prediction": self.prediction.flatten().numpy(),
                "wanted": self.wanted.flatten().numpy(),
                "unwanted": self.unwanted.flatten().numpy(),
                "undesired": self.undesired.flatten().numpy(),
                "metric": self.metric,
                "change": self.change.flatten().numpy(),
                **{
                    name: change.of(self.clean[0], self.patched).flatten().numpy()
                    for name, change in PROBABILITY_CHANGES.items()
                },
            }
        )

    @property
    def _one_result(self) -> bool:
        return self.base_result == self.alternative_result


def averaged(log_effect: Float[Tensor, "pair *place"], average: Average) -> Float[Tensor, "*place"]:
    """One effect for several pairs, from their log(IE + 1), in float64."""
    log = log_effect.double()
    return torch.expm1(log).mean(0) if average == "mean" else torch.expm1(log.mean(0))


def effect(
    clean: Float[Tensor, "run result"], patched: Float[Tensor, "*place result"], one_result: bool
) -> tuple[Float[Tensor, "*place"], Float[Tensor, "*place"]]:
    """IE and log(IE + 1) from log-probabilities.

    Args:
        clean: log p of r and r' (columns) in the base run (first row).
        patched: the same with a value copied.
        one_result: whether r is r'.
    """
    fall = clean[0, 0] - patched[..., 0]  # log of P(r) / P*(r)
    if one_result:
        return torch.expm1(fall), fall
    rise = patched[..., 1] - clean[0, 1]  # log of P*(r') / P(r')
    return (torch.expm1(fall) + torch.expm1(rise)) / 2, torch.logaddexp(fall, rise) - math.log(2)
