"""What is asked of a training of adapters, and what is told about each adapter when it is done?

*Choices*: rank 16 rather than the paper's 32, because the bundled model is narrow; AdamW
with a short rise and a cosine fall of the learning rate; the adapter kept is the one with
the best accuracy on prompts set aside from the training prompts, never the test prompts.
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


_SET_ASIDE = 300


@dataclass(frozen=True)
class LoraSettings:
    """How one adapter on the q, k, v, o of an attention layer is trained.

    Attributes:
        rank: width of the adapter's maps.
        alpha: the adapter's output counts alpha / rank.
        learning_rate: the highest.
        epochs: how often as many prompts as there are to train on are seen; at most 4 in the paper.
        batch: prompts in a step.
        n_train: prompts to train on.
        n_test: prompts to test with, held out.
        seed: of the data's split, the start and the order.
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
    def n_aside(self) -> int:
        """How many of the training prompts are set aside to choose the best state by."""
        return min(_SET_ASIDE, max(1, self.n_train // 10))

    def check(self) -> None:
        """Raises `UserError` for settings that cannot be trained with."""
        if self.rank < 1 or self.alpha < 1 or self.epochs < 1 or self.batch < 1:
            raise UserError("Rank, alpha, epochs and batch are whole numbers, 1 or more.")
        if not 0 < self.learning_rate <= 1:
            raise UserError(f"The learning rate {self.learning_rate} does not train. Use for example 0.003.")


@dataclass(frozen=True)
class Point:
    """How far a training was: steps done, mean loss since the point before, accuracy on the prompts set aside."""

    step: int
    loss: float
    accuracy: float


@dataclass(frozen=True)
class About:
    """What was measured of an adapter; stands beside it as abacus.json.

    Attributes:
        fingerprint: of the base model.
        layer: the attention layer that carries it.
        settings: how it was trained.
        steps: done.
        total: asked for.
        curve: while it was trained.
        accuracy: on the test prompts, by group; "all" among them.
        base: the same of the model without it.
        kept: what is said of the neurons that were kept; empty where nothing was pruned.
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
        """How many test prompts each group has; "all" among them."""
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
    """What is noted beside an adapter that Abacus trained; None where nothing can be read."""
    with suppress(OSError, ValueError):  # half a file of a killed run, or no file of ours
        return About.of_json(json.loads((Path(folder) / ABOUT).read_text(encoding="utf-8")))
    return None
