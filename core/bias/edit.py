"""Edits that reduce a bias: how much of it they remove, their side effects, and random neurons as a control.

CNA §6.2, table 13.
"""

from collections.abc import Sequence
from contextlib import nullcontext, suppress
from dataclasses import dataclass, field

import pandas as pd

from core.bias.measure import Bias, BiasWords, measure_bias
from core.edits.controls import random_edits
from core.edits.edit_set import check_edits
from core.edits.effects import OutputShift
from core.edits.side_effects import SideEffectPrompts, SideEffectScores, side_effect_scores
from core.errors import UserError
from core.hooks import Edit, ScaleNeuron, intervene
from core.metrics import relative
from core.model.load import LoadedModel
from core.progress import Progress, Stopped, silent
from core.types import Neuron


@dataclass(frozen=True)
class Outcome:
    """Bias and side effects of a model, edited or not."""

    bias: Bias
    side_effect_scores: SideEffectScores


@dataclass
class EditedBias:
    """An edit of some neurons, before and after, with random neurons as a control.

    `random` is shorter, and may be empty, after a Stop.
    """

    edits: tuple[Edit, ...]
    before: Outcome
    after: Outcome
    random: list[Bias] = field(default_factory=list)

    @property
    def decrease(self) -> float:
        """Relative decrease of the total bias (paper: 35.7%)."""
        return relative(self.before.bias.total, self.after.bias.total)

    @property
    def decrease_of_size(self) -> float:
        """Relative decrease of the mean size of the bias."""
        return relative(self.before.bias.size, self.after.bias.size)

    @property
    def random_decreases(self) -> list[float]:
        """Relative decrease of the total bias by each random set."""
        return [relative(self.before.bias.total, bias.total) for bias in self.random]

    @property
    def others(self) -> OutputShift:
        """How far the next-token distributions of prompts about other things have moved."""
        return self.after.side_effect_scores.moved_from(self.before.side_effect_scores)

    def table(self) -> pd.DataFrame:
        """Table 13: total bias, each group's, and the mean size, of the original and the edited model (nats)."""
        names = [f"{group} bias" for group in self.before.bias.words.groups]
        rows = [(b.total, *b.by_group, b.size) for b in (self.before.bias, self.after.bias)]
        return pd.DataFrame(rows, index=["original", "edited"], columns=["total", *names, "mean size"])

    def shifts(self) -> pd.DataFrame:
        """One row per profession: profession, group, before, after (bias in nats)."""
        frame = self.before.bias.to_frame()[["profession", "group", "bias"]].rename(columns={"bias": "before"})
        return frame.assign(after=self.after.bias.each.numpy())


@dataclass
class Curve:
    """Bias and side effects against the number of neurons edited; shorter after a Stop.

    `counts[0]` is 0, the original.
    """

    factor: float
    counts: list[int] = field(default_factory=list)
    outcomes: list[Outcome] = field(default_factory=list)

    def to_frame(self) -> pd.DataFrame:
        """One row per number of neurons.

        Columns: neurons, total, both groups' bias as first and second, size (nats), decrease (of the total), accuracy,
        prompts (that it is measured on), neutral (nats per token), kl and changed (of other prompts).
        """
        rows = []
        for n, found in zip(self.counts, self.outcomes, strict=True):
            bias, moved = found.bias, found.side_effect_scores.moved_from(self.outcomes[0].side_effect_scores)
            rows.append(
                (
                    n,
                    bias.total,
                    *bias.by_group,
                    bias.size,
                    relative(self.outcomes[0].bias.total, bias.total),
                    found.side_effect_scores.accuracy["all"],
                    found.side_effect_scores.asked["all"],
                    found.side_effect_scores.neutral,
                    moved.kl,
                    moved.changed,
                )
            )
        columns = [
            "neurons",
            "total",
            "first",
            "second",
            "size",
            "decrease",
            "accuracy",
            "prompts",
            "neutral",
            "kl",
            "changed",
        ]
        return pd.DataFrame(rows, columns=columns)

    def best(self, most_lost: float = 0.02) -> int | None:
        """The number of neurons with the least mean size of bias whose accuracy decreases by `most_lost` at most."""
        frame = self.to_frame()
        if len(frame) < 2:
            return None
        fine = frame[(frame["accuracy"] >= frame["accuracy"].iloc[0] - most_lost) | frame["accuracy"].isna()]
        return int(fine.loc[fine["size"].idxmin(), "neurons"])


def outcome(
    lm: LoadedModel, words: BiasWords, side_effect_prompts: SideEffectPrompts, edits: Sequence[Edit] = ()
) -> Outcome:
    """Measures bias and side effects under some edits."""
    with intervene(lm, *edits) if edits else nullcontext():
        return Outcome(measure_bias(lm, words), side_effect_scores(lm, side_effect_prompts))


def edit_bias(
    lm: LoadedModel,
    words: BiasWords,
    side_effect_prompts: SideEffectPrompts,
    edits: Sequence[Edit],
    draws: int = 5,
    seed: int = 0,
    progress: Progress = silent,
) -> EditedBias:
    """Measures an edit before and after, and random neurons of the same layers with the same factors.

    Args:
        lm: the model.
        words: groups, professions and prompts that the model knows.
        side_effect_prompts: what should stay as it is.
        edits: which neurons (or heads), and their factors.
        draws: how many random sets, with seeds `seed`, `seed + 1`, ...
        seed: of the first draw.
        progress: called after every measurement; when it raises `Stopped` among the draws, they are left out.

    Raises:
        UserError: for no edits, or ones that the model cannot take.
    """
    if not edits:
        raise UserError("Choose at least one neuron to edit.")
    check_edits(lm, edits)
    total = 2 + draws
    before = outcome(lm, words, side_effect_prompts)
    progress(1, total)
    out = EditedBias(tuple(edits), before, outcome(lm, words, side_effect_prompts, edits))
    with suppress(Stopped):
        progress(2, total)
        for i in range(draws):
            with intervene(lm, *random_edits(lm, edits, seed + i)):
                out.random.append(measure_bias(lm, words))
            progress(3 + i, total)
    return out


def edit_curve(
    lm: LoadedModel,
    words: BiasWords,
    side_effect_prompts: SideEffectPrompts,
    neurons: Sequence[Neuron],
    factor: float = 0.0,
    counts: Sequence[int] = (1, 2, 3, 5, 8, 12, 18, 27, 40),
    progress: Progress = silent,
) -> Curve:
    """Edits the first n neurons of a ranking together, for several n.

    Args:
        lm: the model.
        words: groups, professions and prompts that the model knows.
        side_effect_prompts: what should stay as it is.
        neurons: (layer, neuron), ranked (`core.bias.locate`).
        factor: for all of them.
        counts: which n; those above the number of neurons are left out; 0 is always added.
        progress: called after every n; when it raises `Stopped`, what is measured so far is returned.

    Raises:
        UserError: for neurons or a factor that the model cannot take.
    """
    edits = [ScaleNeuron(layer, neuron, factor) for layer, neuron in neurons]
    check_edits(lm, edits)
    wanted = [0, *sorted({n for n in counts if 0 < n <= len(edits)})]
    out = Curve(factor)
    with suppress(Stopped):
        for done, n in enumerate(wanted):
            found = outcome(lm, words, side_effect_prompts, edits[:n])
            out.counts.append(n)
            out.outcomes.append(found)
            progress(done + 1, len(wanted))
    return out
