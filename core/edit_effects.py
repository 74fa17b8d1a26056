"""What did each edit of a set do, and did the set do anything at all?

Effects on the next token of some prompts: of the whole set, of each edit alone, of the set
without each edit, and of random sets of the same size (`core.random_edits`). Only the
next token is looked at: an edit that works on later tokens shows little here. Effects of
single edits do not add up to the whole: heads and neurons stand in for each other.
"""

from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from core.continuations import last_logits
from core.edit_activation import activations
from core.edit_set import check_edits, kind_of, name_of
from core.errors import UserError
from core.hooks import Edit, intervene
from core.progress import Progress, Stopped, silent
from core.random_edits import random_edits

if TYPE_CHECKING:
    from core.model import LoadedModel


@dataclass(frozen=True)
class Effect:
    """How far two runs are apart at the next token, over some prompts.

    Attributes:
        kl: mean over prompts of KL(original || edited), in nats; 0 where nothing changes.
        log_p: mean change of the log-probability of the original's likeliest token (nats).
        changed: share of prompts whose likeliest token is another one.
    """

    kl: float
    log_p: float
    changed: float


def effect_of(original: Float[Tensor, "prompt vocab"], edited: Float[Tensor, "prompt vocab"]) -> Effect:
    """The effect, from next-token logits of both runs."""
    p, q = torch.log_softmax(original.double(), -1), torch.log_softmax(edited.double(), -1)
    parts = torch.where(p.exp() > 0, p.exp() * (p - q), 0.0)
    top = p.argmax(-1, keepdim=True)
    return Effect(
        kl=max(0.0, float(parts.sum(-1).mean())),
        log_p=float((q - p).gather(-1, top).mean()),
        changed=float((q.argmax(-1, keepdim=True) != top).double().mean()),
    )


@dataclass
class EditEffects:
    """Effects of a set of edits; shorter lists after a Stop.

    Attributes:
        edits: the set.
        together: the whole set.
        activation: before (first row) and after, of each edit (`core.edit_activation`).
        random: of random sets of the same size.
        alone: of each edit by itself.
        without: of the set without each edit; empty where the set is one edit.
    """

    edits: tuple[Edit, ...]
    together: Effect
    activation: Float[Tensor, "run edit"]
    random: list[Effect] = field(default_factory=list)
    alone: list[Effect] = field(default_factory=list)
    without: list[Effect] = field(default_factory=list)

    @property
    def random_kl(self) -> float:
        """The largest KL of the random sets; not a number without any."""
        return max((e.kl for e in self.random), default=float("nan"))

    def to_frame(self) -> pd.DataFrame:
        """One row an edit: kind, name, factor, before, after, and kl, log_p, changed alone and without it."""
        rows = []
        for i, edit in enumerate(self.edits):
            row: dict[str, object] = {
                "kind": kind_of(edit), "name": name_of(edit), "factor": float(edit.factor),
                "before": float(self.activation[0, i]), "after": float(self.activation[1, i]),
            }  # fmt: skip
            for label, effects in (("alone", self.alone), ("without", self.without)):
                found = effects[i] if i < len(effects) else None
                for measure in ("kl", "log_p", "changed"):
                    row[f"{measure}_{label}"] = float("nan") if found is None else getattr(found, measure)
            rows.append(row)
        return pd.DataFrame(rows)


def edit_effects(
    lm: "LoadedModel",
    prompts: Sequence[str],
    edits: Sequence[Edit],
    draws: int = 5,
    seed: int = 0,
    each: bool = True,
    progress: Progress = silent,
) -> EditEffects:
    """Measures a set of edits, as many random ones, and each edit alone and left out.

    Args:
        lm: the model.
        prompts: text.
        edits: the set, which is on together.
        draws: how many random sets; they have seeds `seed`, `seed + 1`, ...
        seed: of the first draw.
        each: whether single edits are measured too: two passes over the prompts for each.
        progress: told after every pass; when it raises `Stopped`, what is measured is returned.

    Raises:
        UserError: for no prompts or edits, or ones that the model cannot take.
    """
    if not prompts or not edits:
        raise UserError("Write at least one prompt, and add at least one edit.")
    check_edits(lm, edits)
    chosen = tuple(edits)
    sequences = [lm.encode(prompt) for prompt in prompts]
    original = last_logits(lm, sequences)

    def measured(some: Sequence[Edit]) -> Effect:
        if not some:
            return effect_of(original, original)
        with intervene(lm, *some):
            return effect_of(original, last_logits(lm, sequences))

    out = EditEffects(chosen, measured(chosen), activations(lm, sequences, chosen))
    total = draws + (2 * len(chosen) if each else 0)
    with suppress(Stopped):
        for i in range(draws):
            out.random.append(measured(random_edits(lm, chosen, seed + i)))
            progress(i + 1, total)
        for i in range(len(chosen) if each else 0):
            single = out.together if len(chosen) == 1 else measured(chosen[i : i + 1])
            out.alone.append(single)
            out.without.append(measured(chosen[:i] + chosen[i + 1 :]))
            progress(draws + 2 * i + 2, total)
    return out
