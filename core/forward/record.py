"""A record of one forward pass: residual stream, head outputs, coefficients and attention patterns.

Inside an `intervene` block it is a record of the intervened run.
"""

from dataclasses import dataclass, replace
from typing import Any

import psutil
import torch
from jaxtyping import Float
from torch import Tensor, nn

from core.errors import UserError
from core.hooks import InputHook, OutputHook, own_hooks
from core.model.load import LoadedModel


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
            pattern=self.pattern[:, :, :n, :n],
        )


@torch.no_grad()
def record(lm: LoadedModel, ids: list[int]) -> ActivationCache:
    """Runs the model once and keeps what happened.

    Raises:
        UserError: for ids the model cannot take.
    """
    _check_room(lm, len(ids))
    kept: dict[str, list[Tensor]] = {
        name: [] for name in ("pre", "post", "attention", "ffn", "head", "coefficient", "pattern")
    }

    def keep(name: str, value: Any) -> None:
        kept[name].append(first(value)[0].detach().float().cpu())

    def before(name: str) -> InputHook:
        return lambda value: keep(name, value)

    def after(name: str) -> OutputHook:
        return lambda value: keep(name, value)

    def attention(output: Any) -> None:
        keep("attention", output)
        kept["pattern"].append(output[1][0].detach().float().cpu())

    modules = lm.modules
    inputs: list[tuple[nn.Module, InputHook]] = []
    outputs: list[tuple[nn.Module, OutputHook]] = [(modules.layers[-1], after("post"))]
    for number, layer in enumerate(modules.layers):
        inputs += [
            (layer, before("pre")),
            (modules.head_output(number), before("head")),
            (modules.neuron_output(number), before("coefficient")),
        ]
        outputs += [(modules.attention(number), attention), (modules.ffn(number), after("ffn"))]
    with own_hooks(before=inputs, after=outputs):
        logits = lm.run(lm.tensor(ids))[0].float().cpu()
    stacked = {name: torch.stack(values) for name, values in kept.items() if name != "post"}
    return ActivationCache(
        ids=list(ids),
        logits=logits,
        resid_pre=stacked["pre"],
        resid_post=kept["post"][0],
        attention_out=stacked["attention"],
        ffn_out=stacked["ffn"],
        z=stacked["head"],
        coefficient=stacked["coefficient"],
        pattern=stacked["pattern"],
    )


def _check_room(lm: LoadedModel, n: int) -> None:
    floats = lm.n_layers * n * (lm.n_heads * n + lm.n_neurons + lm.n_heads * lm.d_head + 3 * lm.d_model)
    if (need := 4 * floats) > psutil.virtual_memory().available / 2:
        raise UserError(
            f"To look inside at {n} tokens takes {need / 2**30:.1f} GB, more than is free. Use a shorter prompt."
        )


def first(output: Any) -> Tensor:
    """The tensor of a module's output, which may be bare or the first of a tuple."""
    return output[0] if isinstance(output, tuple) else output
