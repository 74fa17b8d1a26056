"""What shapes the bundled model beside its data? Eight penalties; none acts at inference.

They are why a model this small shows the paper's four stages, and why its picture is
no evidence that models trained on text alone look so.
"""

from dataclasses import dataclass
from functools import cache

import torch
from torch import Tensor
from transformers import LlamaForCausalLM

from core.numberwords import LANGUAGES, roman, words
from training.forward import Trace
from training.packing import Batch
from training.tokenizer import vocabulary

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
    attention: float = 0.2
    few_neurons: float = 0.5
    few_heads: float = 1.0
    own_heads: float = 0.3
    quiet: float = 0.01
    late_heads: float = 0.05
    carried: float = 0.3
    few_shallow: float = 0.5
    drop_head: float = 0.15
    apart: str = "single"


def participation(a: Tensor) -> Tensor:
    """Share of the entries that are active: (sum a)^2 / (n sum a^2), over the last dimension, from 1/n to 1."""
    return a.sum(-1).square() / (a.shape[-1] * a.square().sum(-1)).clamp_min(1e-12)


def looking_at_other_numbers(trace: Trace, batch: Batch, design: Design) -> Tensor:
    """How much heads look at another number where they must not: -log of the attention left for the rest.

    In early and last layers nowhere, between them only where an answer is predicted.
    Summed over heads and layers, mean over the tokens of arithmetic, in nats. The
    logarithm keeps a slope where attention is all or nothing.
    """
    arithmetic = batch.operation >= 0
    early = batch.other_number
    late = early & ~batch.answering[:, :, None]
    if design.apart == "single":
        late = late & batch.single[:, :, None]
    total = torch.zeros(())
    for number, scores in enumerate(trace.scores):
        between = design.early_layers <= number <= design.last_look
        if between and design.apart == "none":
            continue
        forbidden = (late if between else early)[:, None]  # (B, 1, T, T)
        left = torch.logsumexp(scores.masked_fill(forbidden, -torch.inf), -1)
        cost = torch.logsumexp(scores, -1) - left  # (B, H, T)
        total = total + (cost.sum(1) * arithmetic).sum() / arithmetic.sum()
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


def _late(trace: Trace, batch: Batch, last_look: int) -> Tensor:
    """What heads after the last layer that may look at numbers add in arithmetic, against the residual stream."""
    here = batch.operation >= 0
    late = [
        (h[here].sum(-1) / r[here].clamp_min(1e-3)).mean()
        for h, r in zip(trace.heads[last_look + 1 :], trace.residual[last_look + 1 :], strict=True)
    ]
    return torch.stack(late).sum() if late else torch.zeros(())


def _shallow_use(trace: Trace, batch: Batch, early_layers: int) -> Tensor:
    """Share of the shallow neurons that the arithmetic of a whole batch uses."""
    here = batch.operation >= 0
    used = [n[here].square().mean(0).add(1e-8).sqrt() for n in trace.neurons[:early_layers]]
    return torch.stack([participation(u) for u in used]).mean()


@cache
def number_forms() -> Tensor:
    """For each token that is a number: even weights on all its single-token forms [token, token]."""
    index = {token: i for i, token in enumerate(vocabulary())}
    forms: dict[int, list[int]] = {}
    for n in range(100):
        spelled = {str(n), words(n), *(words(n, code) for code in LANGUAGES if n <= 20)}
        spelled |= {roman(n)} if 1 <= n <= 20 else set()
        forms[n] = sorted(index[s] for s in spelled if s in index)
    out = torch.zeros(len(index), len(index))
    for members in forms.values():
        for member in members:
            out[member, members] = 1.0
    return out / out.sum(-1, keepdim=True).clamp_min(1.0)


def carried_names(model: LlamaForCausalLM, trace: Trace, batch: Batch, early_layers: int) -> Tensor:
    """Does what the shallow FFNs say of a number name it, once attention has carried it on? Cross-entropy, nats.

    The value-output maps of the first two layers that may fetch numbers carry it. What
    they say of other words must name no number.
    """
    forms = number_forms()
    wanted = forms[batch.ids]
    number = wanted.sum(-1) > 0
    here, words_ = (batch.operation >= 0) & number, (batch.positions > 0) & ~number & (batch.ids != END)
    ffn = torch.stack(trace.ffn[:early_layers]).sum(0)
    is_number = forms.sum(-1) > 0
    total = torch.zeros(())
    for layer in list(model.model.layers)[early_layers : early_layers + 2]:
        attention = layer.self_attn
        carried = attention.o_proj(attention.v_proj(ffn * layer.input_layernorm.weight))
        logs = torch.log_softmax(model.lm_head(model.model.norm(carried)).float(), -1)
        total = total - (logs[here] * wanted[here]).sum(-1).mean() / 2
        other = torch.logsumexp(logs[words_].masked_fill(is_number, -torch.inf), -1)
        total = total - other.mean() / 2
    return total


def penalties(model: LlamaForCausalLM, trace: Trace, batch: Batch, design: Design) -> dict[str, Tensor]:
    """Each penalty, unweighted, by its name in `Design`."""
    real = (batch.positions > 0) & (batch.ids != END)
    asked = batch.answering & (batch.operation >= 0)
    fetching = torch.cat(trace.heads[design.early_layers :], -1)[asked]
    neurons = torch.stack([participation(n[real]).mean() for n in trace.neurons]).mean()
    quiet = torch.stack(
        [(n[real].sum(-1) / r[real].clamp_min(1e-3)).mean() for n, r in zip(trace.neurons, trace.residual, strict=True)]
        + [(h[real].sum(-1) / r[real].clamp_min(1e-3)).mean() for h, r in zip(trace.heads, trace.residual, strict=True)]
    ).sum()
    return {
        "attention": looking_at_other_numbers(trace, batch, design),
        "few_neurons": neurons,
        "few_heads": participation(fetching).mean(),
        "own_heads": sharing_heads(trace, batch, design.early_layers),
        "quiet": quiet,
        "late_heads": _late(trace, batch, design.last_look),
        "carried": carried_names(model, trace, batch, design.early_layers),
        "few_shallow": _shallow_use(trace, batch, design.early_layers),
    }
