"""A record of one forward pass: residual stream, head outputs, coefficients and attention patterns.

Inside an `intervene` block it is a record of the intervened run.
"""

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

import psutil
import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.errors import UserError
from core.hooks import InputHook, OutputHook, own_hooks
from core.model.load import LoadedModel
from core.model.norms import frozen_scale
from core.types import PromptLike


@dataclass(frozen=True)
class ActivationCache:
    """One forward pass, float32 on the CPU.

    Attributes:
        ids: the tokens.
        logits: next-token logits.
        resid_pre: residual stream before each layer (x^(l-1)).
        resid_post: the last layer's output, before the final norm.
        attention_out: what each layer's attention adds (A^l).
        ffn_out: what each layer's FFN adds (F^l).
        z: the concatenated heads before the output map (z).
        coefficient: every neuron's coefficient (m).
        attention_scale: what the norm after attention (Gemma) scales by in this run, `rsqrt(s + eps)`; 1 where there
            is no such norm.
        ffn_scale: the same of the norm after the FFN. What a neuron writes is its coefficient, times this, times its
            value (`core.model.weights.values`).
        pattern: attention weights.
    """

    ids: list[int]
    logits: Float[Tensor, "pos vocab"]
    resid_pre: Float[Tensor, "layer pos d_model"]
    resid_post: Float[Tensor, "pos d_model"]
    attention_out: Float[Tensor, "layer pos d_model"]
    ffn_out: Float[Tensor, "layer pos d_model"]
    z: Float[Tensor, "layer pos heads_by_d_head"]
    coefficient: Float[Tensor, "layer pos neuron"]
    attention_scale: Float[Tensor, "layer pos"]
    ffn_scale: Float[Tensor, "layer pos"]
    pattern: Float[Tensor, "layer head query key"]

    def until(self, position: int) -> "ActivationCache":
        """The run up to a position, which in a causal model is the run of the shorter prompt.

        In 8 bits only nearly: there the later tokens affect how the earlier ones are rounded.
        """
        n = position + 1
        return replace(
            self,
            ids=self.ids[:n],
            logits=self.logits[:n],
            resid_pre=self.resid_pre[:, :n],
            resid_post=self.resid_post[:n],
            attention_out=self.attention_out[:, :n],
            ffn_out=self.ffn_out[:, :n],
            z=self.z[:, :n],
            coefficient=self.coefficient[:, :n],
            attention_scale=self.attention_scale[:, :n],
            ffn_scale=self.ffn_scale[:, :n],
            pattern=self.pattern[:, :, :n, :n],
        )


@torch.no_grad()
def record(lm: LoadedModel, ids: list[int]) -> ActivationCache:
    """Runs the model once and keeps what happened.

    Raises:
        UserError: for ids the model cannot take.
    """
    _check_room(lm, len(ids))
    with recording(lm) as notes:
        logits = lm.run(lm.tensor(ids))[0]
    return notes.cache(ids, logits)


def record_prompt(lm: LoadedModel, prompt: PromptLike) -> ActivationCache:
    """`record` of what `LoadedModel.prompt_ids` makes of a prompt; the run that shows that an answer comes next is it.

    Raises:
        UserError: for a prompt that the model cannot take.
    """
    last: list[ActivationCache] = []

    def predict(ids: list[int]) -> int:
        last[:] = [record(lm, ids)]
        return int(last[0].logits[-1].argmax())

    ids = lm.prompt_ids(prompt, predict)
    return last[0] if last and last[0].ids == ids else record(lm, ids)


class Notes:
    """What some layers do while they run, float32 on the CPU."""

    def __init__(self, lm: LoadedModel, layers: range):
        self._kept: dict[str, list[Tensor]] = {name: [] for name in _STACKED}
        self._post: list[Tensor] = []
        modules, row = lm.modules, lm.architecture
        self.before: list[tuple[nn.Module, InputHook]] = []
        self.after: list[tuple[nn.Module, OutputHook]] = [(modules.layers[-1], self._keep_post)]
        for number in layers:
            self.before += [
                (modules.layers[number], partial(self._keep, "resid_pre")),
                (modules.head_output(number), partial(self._keep, "z")),
                (modules.neuron_output(number), partial(self._keep, "coefficient")),
            ]
            ends = (modules.attention_end(number), modules.ffn_end(number))
            self.after += [
                (modules.attention(number), self._keep_pattern),
                (ends[0], partial(self._keep, "attention_out")),
                (ends[1], partial(self._keep, "ffn_out")),
            ]
            scales = (("attention_scale", row.attention_post_norm), ("ffn_scale", row.ffn_post_norm))
            for (name, is_norm), end in zip(scales, ends, strict=True):
                if is_norm:
                    self.before.append((end, partial(self._keep_scale, name, lm, end)))
                else:
                    self.before.append((modules.neuron_output(number), partial(self._keep_one, name)))

    def cache(self, ids: Sequence[int], logits: Tensor, below: ActivationCache | None = None) -> ActivationCache:
        """The run; `below` gives what the layers below the noted ones did."""
        stacked = {name: torch.stack(values) for name, values in self._kept.items()}
        if below is not None:
            n = len(below.resid_pre) - len(stacked["resid_pre"])
            stacked = {name: torch.cat([getattr(below, name)[:n], values]) for name, values in stacked.items()}
        return ActivationCache(ids=list(ids), logits=logits.float().cpu(), resid_post=self._post[0], **stacked)

    def _keep(self, name: str, value: Any) -> None:
        self._kept[name].append(first(value)[0].detach().float().cpu())

    def _keep_post(self, value: Any) -> None:
        self._post[:] = [first(value)[0].detach().float().cpu()]

    def _keep_pattern(self, output: Any) -> None:
        self._kept["pattern"].append(output[1][0].detach().float().cpu())

    def _keep_scale(self, name: str, lm: LoadedModel, norm: Any, value: Tensor) -> None:
        self._kept[name].append(frozen_scale(lm, norm, value[0].detach()))

    def _keep_one(self, name: str, value: Tensor) -> None:
        self._kept[name].append(torch.ones(value.shape[1]))


_STACKED = ("resid_pre", "attention_out", "ffn_out", "z", "coefficient", "attention_scale", "ffn_scale", "pattern")


@contextmanager
def recording(lm: LoadedModel, layers: range | None = None) -> Iterator[Notes]:
    """Notes what layers do while the block runs the model once, on one prompt; None: all layers."""
    notes = Notes(lm, range(lm.n_layers) if layers is None else layers)
    with own_hooks(before=notes.before, after=notes.after):
        yield notes


def _check_room(lm: LoadedModel, n: int) -> None:
    floats = lm.n_layers * n * (lm.n_heads * n + lm.n_neurons + lm.n_heads * lm.d_head + 3 * lm.d_model)
    if (need := 4 * floats) > psutil.virtual_memory().available / 2:
        raise UserError(
            f"To look inside at {n} tokens takes {need / 2**30:.1f} GB, more than is free. Use a shorter prompt."
        )


def first(output: Any) -> Tensor:
    """The tensor of a module's output, which may be bare or the first of a tuple."""
    return output[0] if isinstance(output, tuple) else output
