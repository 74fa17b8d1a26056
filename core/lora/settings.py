"""Settings of a LoRA training, and the record of what was measured of each adapter.

*Choices*: rank 16 rather than the paper's 32, because the bundled models are narrow; AdamW
with a short warm-up and a cosine decay of the learning rate; the adapter that is kept is the one
with the best accuracy on a validation set, which is taken from the training prompts and never
from the test prompts.
"""

from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Annotated, Any

import pandas as pd
from pydantic import Field

from core.errors import UserError
from core.model.adapter_files import ABOUT
from core.prompts.signed_arithmetic import N_TEST, counts_of_test
from core.reading import checked, named, read_as, read_json_file, strict

N_TRAIN = 15_000


_MOST_VALIDATION = 300


_REMEDY = "Train the adapter again."


AtLeastOne = Annotated[int, Field(ge=1)]


Steps = Annotated[int, Field(ge=0)]


#: A mean loss; NaN where a training diverged, which is a result, not a fault of the file.
Loss = Annotated[float, Field(allow_inf_nan=True)]


@strict
@dataclass(frozen=True)
class LoraSettings:
    """How one adapter on the q, k, v, o of an attention layer is trained.

    Attributes:
        rank: of the adapter's matrices.
        alpha: the adapter's output is multiplied by alpha / rank.
        learning_rate: the peak, after the warm-up.
        epochs: each draws as many prompts as the training set has; at most 4 in the paper.
        batch: prompts per step.
        n_train: prompts to train on.
        n_test: held-out test prompts.
        seed: of the data split, the initial weights and the order.
    """

    rank: AtLeastOne = 16
    alpha: AtLeastOne = 32
    learning_rate: Annotated[float, Field(gt=0, le=1)] = 4e-3
    epochs: AtLeastOne = 4
    batch: AtLeastOne = 64
    n_train: int = N_TRAIN
    n_test: int = N_TEST
    seed: int = 0

    @property
    def n_validation(self) -> int:
        """How many of the training prompts form the validation set, by which the best adapter is chosen."""
        return min(_MOST_VALIDATION, max(1, self.n_train // 10))

    def check(self) -> None:
        """Raises `UserError` for settings that cannot be trained with."""
        defaults = LoraSettings()
        checked(
            self,
            "This training",
            f"Use for example rank {defaults.rank}, alpha {defaults.alpha}, {defaults.epochs} epochs, batch "
            f"{defaults.batch} and a learning rate of 0.003.",
        )


@strict
@dataclass(frozen=True)
class Point:
    """A point of the training curve: steps done, mean loss since the last point, accuracy on the validation set."""

    step: Steps
    loss: Loss
    accuracy: float


@strict
@dataclass(frozen=True)
class About:
    """The record of an adapter: what was measured of it; saved beside it as abacus.json.

    Attributes:
        fingerprint: of the base model.
        layer: the attention layer that it is on.
        settings: how it was trained.
        steps: done.
        total: steps of a finished training.
        curve: loss and accuracy during training.
        accuracy: on the test prompts, by group, and over all of them under "all".
        base: the same of the model without it.
        kept: a description of the neurons that were kept; empty where nothing was pruned.
        skipped: how many of the steps changed nothing, because their gradients were infinite or NaN.
    """

    fingerprint: Annotated[str, Field(min_length=1, max_length=500)]
    layer: Annotated[int, Field(ge=0)]
    settings: LoraSettings
    steps: Steps
    total: Steps
    curve: tuple[Point, ...]
    accuracy: dict[str, float] = field(default_factory=dict)
    base: dict[str, float] = field(default_factory=dict)
    kept: str = ""
    skipped: Steps = 0

    @property
    def finished(self) -> bool:
        """Whether the training ran to its end."""
        return self.steps >= self.total

    @property
    def n_test(self) -> dict[str, int]:
        """How many test prompts each group has, and all of them under "all"."""
        return counts_of_test(self.settings.n_test, self.settings.seed)

    def to_json(self) -> dict[str, Any]:
        """As JSON values."""
        return asdict(self)

    @classmethod
    def read(cls, folder: str | Path) -> "About":
        """Reads the record of an adapter folder.

        Raises:
            UserError: for a folder without one, or a record that is something else; names the field.
        """
        file = Path(folder) / ABOUT
        return read_as(cls, read_json_file(file, _REMEDY), named(file), _REMEDY)

    def curve_frame(self) -> pd.DataFrame:
        """One row per point: step, loss (nats per token), accuracy (a share)."""
        return pd.DataFrame([asdict(p) for p in self.curve], columns=["step", "loss", "accuracy"])


def read_about(folder: str | Path) -> About | None:
    """The record beside an adapter that Abacus trained; None where there is none that can be read."""
    with suppress(UserError):  # an adapter of someone else's
        return About.read(folder)
    return None
