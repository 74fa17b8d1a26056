"""What shapes the bundled model beside its data? Five penalties; none acts at inference.

They are why a model this small shows the paper's four stages, and why its picture is
no evidence that models trained on text alone look so.
"""

from dataclasses import dataclass

import torch
from torch import Tensor

from training.forward import Trace
from training.packing import Batch

END = 1  # </s>, which also fills the rows: nothing is predicted from it


@dataclass(frozen=True)
class Design:
    """Weights of the penalties, and the layers in which numbers may be looked at.

    Before layer `early_layers` and after layer `last_look` no token may look at another number.

    `apart`: in which samples later layers, too, may look at another number only where an
    answer is predicted: "all", "single" (operands of one token), or "none".
    """

    early_layers: int = 3
    last_look: int = 99
    attention: float = 3.0
    few_neurons: float = 0.3
    few_heads: float = 0.3
    own_heads: float = 0.1
    quiet: float = 0.002
    drop_head: float = 0.1
    apart: str = "all"


def participation(a: Tensor) -> Tensor:
    """Share of the entries that are active: (sum a)^2 / (n sum a^2), over the last dimension, from 1/n to 1."""
    return a.sum(-1).square() / (a.shape[-1] * a.square().sum(-1)).clamp_min(1e-12)


def looking_at_other_numbers(trace: Trace, batch: Batch, design: Design) -> Tensor:
    """Attention mass on another number: in early layers anywhere, later unless an answer is predicted."""
    arithmetic = batch.operation >= 0
    early = batch.other_number.float()
    late = early * (~batch.answering)[:, :, None]
    if design.apart == "single":
        late = late * batch.single[:, :, None]
    total = torch.zeros(())
    for number, weights in enumerate(trace.attention):
        between = design.early_layers <= number <= design.last_look
        if between and design.apart == "none":
            continue
        mask = late if between else early
        total = total + (weights.mean(1) * mask).sum() / arithmetic.sum()
    return total


def sharing_heads(trace: Trace, batch: Batch, first_layer: int) -> Tensor:
    """Mean cosine between the head usage of different operations (+ and - count as one), 0 to 1."""
    used = torch.cat([h for h in trace.heads[first_layer:]], -1)  # (B, T, heads)
    used = used / used.sum(-1, keepdim=True)
    groups = []
    for members in ((0, 1), (2,), (3,)):
        mask = torch.zeros_like(batch.answering)
        for m in members:
            mask |= batch.operation == m
        mask &= batch.answering
        groups.append((used * mask[..., None]).sum((0, 1)) / mask.sum().clamp_min(1))
    unit = [g / g.norm().clamp_min(1e-6) for g in groups]
    return (unit[0] @ unit[1] + unit[0] @ unit[2] + unit[1] @ unit[2]) / 3


def penalties(trace: Trace, batch: Batch, design: Design) -> dict[str, Tensor]:
    """Each penalty, unweighted, by its name in `Design`."""
    real = (batch.positions > 0) & (batch.ids != END)
    late_heads = torch.cat(trace.heads[design.early_layers :], -1)[real]
    neurons = torch.stack([participation(n[real]).mean() for n in trace.neurons]).mean()
    quiet = torch.stack(
        [(n[real].sum(-1) / r[real].clamp_min(1e-3)).mean() for n, r in zip(trace.neurons, trace.residual, strict=True)]
        + [(h[real].sum(-1) / r[real].clamp_min(1e-3)).mean() for h, r in zip(trace.heads, trace.residual, strict=True)]
    ).sum()
    return {
        "attention": looking_at_other_numbers(trace, batch, design),
        "few_neurons": neurons,
        "few_heads": participation(late_heads).mean(),
        "own_heads": sharing_heads(trace, batch, design.early_layers),
        "quiet": quiet,
    }
