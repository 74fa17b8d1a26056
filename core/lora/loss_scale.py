"""The factor on a training's loss, which keeps gradients in fp16 from vanishing and from overflowing.

Gradients pass through the base model's layers in its precision, and fp16 holds nothing between 0 and 6e-8 or above
65504. So the loss is multiplied by a power of two before the backward pass, and the adapter's gradients, which are
fp32, are divided by it after. A step whose gradients are infinite or NaN is skipped and halves the factor; after many
taken steps it is doubled. bf16 and fp32 have range enough: the factor stays 1 there, and skipped steps are counted.

*Choices*: the factor starts at 1024 and is doubled after 500 taken steps, since a training here has about a thousand
(torch's own scaler waits for 2,000). A training whose first 30 steps are all skipped ends: by then the factor is as
small as it gets.
"""

from dataclasses import dataclass, replace
from typing import Annotated

from pydantic import Field

from core.errors import UserError
from core.lora.settings import Steps
from core.reading import strict

START, LEAST = 2.0**10, 2.0**-14


DOUBLED_AFTER = 500


#: So many skipped steps at the beginning, and none taken, end a training.
HOPELESS = 30


@strict
@dataclass(frozen=True)
class LossScale:
    """The factor of the next step, and what became of the steps so far.

    Attributes:
        factor: on the loss.
        is_dynamic: whether it follows the gradients.
        taken: steps since the factor last changed.
        skipped: of all steps so far.
    """

    factor: Annotated[float, Field(gt=0)] = 1.0
    is_dynamic: bool = False
    taken: Steps = 0
    skipped: Steps = 0

    @classmethod
    def of(cls, precision: str) -> "LossScale":
        """The one that a training begins with, by the base model's precision; int8 computes in fp16 beside its maps."""
        return cls(START, True) if precision in ("fp16", "int8") else cls()

    def after(self, finite: bool) -> "LossScale":
        """The one after a step, whose gradients were finite or not."""
        if not finite:
            factor = max(LEAST, self.factor / 2) if self.is_dynamic else self.factor
            return replace(self, factor=factor, taken=0, skipped=self.skipped + 1)
        if self.is_dynamic and self.taken + 1 >= DOUBLED_AFTER:
            return replace(self, factor=self.factor * 2, taken=0)
        return replace(self, taken=self.taken + 1)

    def check(self, step: int, total: int, precision: str) -> None:
        """Raises `UserError` for a training that took none of its steps, at its end or when there is no hope.

        Args:
            step: steps so far.
            total: of the whole training.
            precision: of the base model.
        """
        if self.skipped < step or step < min(total, HOPELESS):
            return
        other = "a model whose numbers are finite" if precision == "fp32" else "the model as bf16 or fp32"
        if precision == "bf16":
            other = "the model as fp32"
        raise UserError(
            f"None of the {step} steps of this training could be taken: the gradients of each were infinite or NaN in "
            f"{precision}, so the adapter has learned nothing. Load {other} and train again."
        )
