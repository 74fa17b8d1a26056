"""Effects of a set of edits on the next token: of the whole set, of each edit, and of random sets of the same size.

Each edit is measured alone and as the set without it; random sets come from `core.edits.controls`. Only the next
token is measured: an edit that acts on later tokens shows little here. Effects of single edits do not add up to
that of the set: heads and neurons stand in for each other.

The activations of the edited heads and neurons are measured too: a neuron's coefficient, or the norm of a head's
output, at the last position, averaged over prompts. Where it is next to zero, no factor can matter. "After" is
measured in the edited run, after the edit itself: edits of earlier layers count too.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass, field

import pandas as pd
import torch
from einops import rearrange
from jaxtyping import Float
from torch import Tensor

from core.edits.controls import random_edits
from core.edits.edit_set import check_edits, kind_of, name_of, place_of
from core.errors import UserError
from core.forward.prefix_tree import trees_for
from core.forward.scoring import answer_ids, next_token_logits
from core.hooks import Edit, InputHook, intervene, own_hooks
from core.model.load import LoadedModel
from core.progress import Progress, Stopped, silent
from core.types import PromptLike


def activations(
    lm: LoadedModel, sequences: Sequence[Sequence[int]], edits: Sequence[Edit]
) -> Float[Tensor, "run edit"]:
    """Activation of each edit's head or neuron in the original run (first row) and in the edited one (second)."""
    before = _measured(lm, sequences, edits)
    with intervene(lm, *edits):
        after = _measured(lm, sequences, edits)
    return torch.stack([before, after])


def _measured(lm: LoadedModel, sequences: Sequence[Sequence[int]], edits: Sequence[Edit]) -> Tensor:
    total = torch.zeros(len(edits))
    for tree in trees_for(lm, [list(ids) for ids in sequences]):
        ends = torch.tensor([path[-1] for path in tree.paths], device=lm.device)
        inputs = tree.inputs(lm)
        with _watching(lm, edits, ends, total), torch.no_grad():
            lm.run(inputs.pop("input_ids"), **inputs)
    return total / len(sequences)


@contextmanager
def _watching(lm: LoadedModel, edits: Sequence[Edit], ends: Tensor, total: Tensor) -> Iterator[None]:
    """Adds the activation of each edit's head or neuron at the end nodes of a tree to `total`."""
    neurons: dict[int, list[tuple[int, int]]] = {}
    heads: dict[int, list[tuple[int, int]]] = {}
    for number, edit in enumerate(edits):
        kind, layer, index = place_of(edit)
        (heads if kind == "head" else neurons).setdefault(layer, []).append((number, index))

    def coefficients(some: list[tuple[int, int]]) -> InputHook:
        def note(value: Tensor) -> None:  # (1, node, neuron)
            found = value[0, ends][:, [index for _, index in some]].float().sum(0).cpu()
            total[[number for number, _ in some]] += found

        return note

    def lengths(some: list[tuple[int, int]]) -> InputHook:
        def note(value: Tensor) -> None:  # (1, node, head * d_head)
            by_head = rearrange(value[0, ends].float(), "node (head d_head) -> node head d_head", head=lm.n_heads)
            found = by_head[:, [index for _, index in some]].norm(dim=-1).sum(0).cpu()
            total[[number for number, _ in some]] += found

        return note

    hooks = [(lm.modules.neuron_output(layer), coefficients(some)) for layer, some in neurons.items()]
    hooks += [(lm.modules.head_output(layer), lengths(some)) for layer, some in heads.items()]
    with own_hooks(before=hooks):
        yield


@dataclass(frozen=True)
class OutputShift:
    """How far the next-token predictions of two runs are apart, over some prompts.

    Attributes:
        kl: mean over prompts of KL(original || edited), in nats; 0 where nothing changes.
        log_p: mean change of the log-probability of the original's top-1 token (nats).
        changed: share of prompts whose top-1 token is another one.
    """

    kl: float
    log_p: float
    changed: float


def output_shift(original: Float[Tensor, "prompt vocab"], edited: Float[Tensor, "prompt vocab"]) -> OutputShift:
    """The effect, from next-token logits of both runs."""
    p, q = torch.log_softmax(original.double(), -1), torch.log_softmax(edited.double(), -1)
    parts = torch.where(p.exp() > 0, p.exp() * (p - q), 0.0)
    top = p.argmax(-1, keepdim=True)
    return OutputShift(
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
        activation: of each edit's head or neuron, before (first row) and after.
        random: of random sets of the same size.
        alone: of each edit by itself.
        without: of the set without each edit; empty where the set is one edit.
    """

    edits: tuple[Edit, ...]
    together: OutputShift
    activation: Float[Tensor, "run edit"]
    random: list[OutputShift] = field(default_factory=list)
    alone: list[OutputShift] = field(default_factory=list)
    without: list[OutputShift] = field(default_factory=list)

    @property
    def random_kl(self) -> float:
        """The largest KL of the random sets; NaN without any."""
        return max((e.kl for e in self.random), default=float("nan"))

    def to_frame(self) -> pd.DataFrame:
        """One row per edit: kind, name, factor, before, after, and kl, log_p, changed alone and without it."""
        rows = []
        for i, edit in enumerate(self.edits):
            row: dict[str, object] = {
                "kind": kind_of(edit),
                "name": name_of(edit),
                "factor": float(edit.factor),
                "before": float(self.activation[0, i]),
                "after": float(self.activation[1, i]),
            }
            for label, effects in (("alone", self.alone), ("without", self.without)):
                found = effects[i] if i < len(effects) else None
                for measure in ("kl", "log_p", "changed"):
                    row[f"{measure}_{label}"] = float("nan") if found is None else getattr(found, measure)
            rows.append(row)
        return pd.DataFrame(rows)


def edit_effects(
    lm: LoadedModel,
    prompts: Sequence[PromptLike],
    edits: Sequence[Edit],
    draws: int = 5,
    seed: int = 0,
    each: bool = True,
    progress: Progress = silent,
) -> EditEffects:
    """Measures a set of edits, random sets of the same size, and each edit alone and left out.

    Args:
        lm: the model.
        prompts: text or token ids, read as of `LoadedModel.prompt_ids` of the original model.
        edits: the set, applied together.
        draws: how many random sets; they have seeds `seed`, `seed + 1`, ...
        seed: of the first draw.
        each: whether single edits are measured too: two passes over the prompts for each.
        progress: called after every pass; when it raises `Stopped`, what is measured is returned.

    Raises:
        UserError: for no prompts or edits, or ones that the model cannot take.
    """
    if not prompts or not edits:
        raise UserError("Write at least one prompt, and add at least one edit.")
    check_edits(lm, edits)
    chosen = tuple(edits)
    sequences = answer_ids(lm, prompts)
    original = next_token_logits(lm, sequences)

    def measured(some: Sequence[Edit]) -> OutputShift:
        if not some:
            return output_shift(original, original)
        with intervene(lm, *some):
            return output_shift(original, next_token_logits(lm, sequences))

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
