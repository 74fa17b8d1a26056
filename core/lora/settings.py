"""Settings of a LoRA training, and the record of what was measured of each adapter.

*Choices*: rank 16 rather than the paper's 32, because the bundled model is narrow; AdamW
with a short warm-up and a cosine decay of the learning rate; the adapter that is kept is the one
with the best accuracy on a validation set, which is taken from the training prompts and never
from the test prompts.
"""

import json
from contextlib import suppress
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

import pandas as pd

from core.errors import UserError
from core.model.adapter_files import ABOUT
from core.prompts.signed_arithmetic import N_TEST, counts_of_test

N_TRAIN = 15_000


_MOST_VALIDATION = 300


@dataclass(frozen=True)
class LoraSettings:
    """How one adapter on the q, k, v, o of an attention layer is trained.

    Attributes:
        rank: of the adapter's matrices.
        alpha: the adapter's output is multiplied by alpha / rank.
        learning_rate: the peak, after the warm-up.
        epochs: how many times as many prompts as the training set has are drawn; at most 4 in the paper.
        batch: prompts per step.
        n_train: prompts to train on.
        n_test: held-out test prompts.
        seed: of the data split, the initial weights and the order.
    """

    rank: int = 16
    alpha: int = 32
    learning_rate: float = 4e-3
    epochs: int = 4
    batch: int = 64
    n_train: int = N_TRAIN
    n_test: int = N_TEST
    seed: int = 0

    @property
    def n_validation(self) -> int:
        """How many of the training prompts form the validation set, by which the best adapter is chosen."""
        return min(_MOST_VALIDATION, max(1, self.n_train // 10))

    def check(self) -> None:
        """Raises `UserError` for settings that cannot be trained with."""
        if self.rank < 1 or self.alpha < 1 or self.epochs < 1 or self.batch < 1:
            raise UserError("Rank, alpha, epochs and batch are whole numbers, 1 or more.")
        if not 0 < self.learning_rate <= 1:
            raise UserError(f"The learning rate {self.learning_rate} does not train. Use for example 0.003.")


@dataclass(frozen=True)
class Point:
    """A point of the training curve: steps done, mean loss since the last point, accuracy on the validation set."""

    step: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class About:
    """What was measured of an adapter; saved beside it as abacus.json.

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
    """

    fingerprint: str
    layer: int
    settings: LoraSettings
    steps: int
    total: int
    curve: tuple[Point, ...]
    accuracy: dict[str, float] = field(default_factory=dict)
    base: dict[str, float] = field(default_factory=dict)
    kept: str = ""

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
    def of_json(cls, told: dict[str, Any]) -> "About":
        """Reads what `to_json` wrote.

        Raises:
            UserError: when it is something else.
        """
        try:
            settings = LoraSettings(**told["settings"])
            curve = tuple(Point(**point) for point in told["curve"])
            return cls(**{**told, "settings": settings, "curve": curve})
        except (KeyError, TypeError) as error:
            raise UserError(f"What is noted beside the adapter cannot be read ({error}). Train it again.") from error

    def curve_frame(self) -> pd.DataFrame:
        """One row a point: step, loss (nats a token), accuracy (a share)."""
        return pd.DataFrame([asdict(p) for p in self.curve], columns=["step", "loss", "accuracy"])


def read_about(folder: str | Path) -> About | None:
    """The record beside an adapter that Abacus trained; None where there is none that can be read."""
    with suppress(OSError, ValueError):  # half a file of a killed run, or no file of ours
        return About.of_json(json.loads((Path(folder) / ABOUT).read_text(encoding="utf-8")))
    return None
