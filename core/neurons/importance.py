"""What exactly is a neuron's importance? By the full vocabulary.

With `d` the change of every token's logit that a neuron's subvalue causes and p the
softmax before it, `Imp = d_w - log E_p[e^d]` (CNA §4.1; the same number as the
difference of two log-probabilities, without their cancellation). `W_U (g * v)` is a
float32 product, everything after it float64. Products always have the same number of
rows, so a neuron's importance is the same whatever else is computed beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from core.model.unembed import Unembedding

ROWS = 64


_SMALL = 20.0


@dataclass(frozen=True)
class RunSide:
    """One run at the last position before one layer's FFN adds to it.

    Attributes:
        log_p: log-probabilities of the readout there [vocab], float64.
        factor: what multiplies `W_U (g * v)` to give logits: coefficient over the norm's
            scale [neuron], float64.
    """

    log_p: Tensor
    factor: Tensor

    def of(self, neurons: Tensor) -> "RunSide":
        """The same for some of the neurons."""
        return RunSide(self.log_p, self.factor[neurons.to(self.factor.device)])


@torch.no_grad()
def sides_of(readout: Unembedding, r: Tensor, coefficient: Tensor, scale: Tensor) -> list[RunSide]:
    """One run before some layers' FFNs.

    Args:
        readout: of the model.
        r: the residual stream there [layer, d_model].
        coefficient: of every neuron [layer, neuron].
        scale: the frozen scale of the final norm.
    """
    device = readout.unembedding.device
    log_p = readout.log_probabilities(r, scale).to(device).double()
    log_p = log_p - torch.logsumexp(log_p, -1, keepdim=True)  # what float32 left over
    factor = coefficient.to(device).double() * torch.rsqrt(scale.to(device).double() + readout.eps)
    return [RunSide(p, f) for p, f in zip(log_p, factor, strict=True)]


def exact_importance(
    readout: Unembedding, vectors: Tensor, target: int, groups: Sequence[tuple[Tensor, Sequence[RunSide]]]
) -> Tensor:
    """Importance of neurons in each run, float64 on the CPU [run, neuron].

    Args:
        readout: of the model.
        vectors: the neurons' values [neuron, d_model].
        target: the token w.
        groups: rows of `vectors` that share a layer, with that layer's sides, whose factors
            are of just these rows.
    """
    device = readout.unembedding.device
    out = torch.empty(len(groups[0][1]), len(vectors), dtype=torch.float64, device=device)
    for start in range(0, len(vectors), ROWS):
        said = _said(readout, vectors[start : start + ROWS].to(device))
        for rows, sides in groups:
            inside = ((rows >= start) & (rows < start + ROWS)).nonzero()[:, 0]
            for number, one in enumerate(sides) if len(inside) else ():
                change = said[rows[inside] - start] * one.factor[inside, None]
                out[number, rows[inside]] = _importance(change, one.log_p, target)
    return out.cpu()


def _said(readout: Unembedding, vectors: Tensor) -> Tensor:
    """`W_U (g * v)` [neuron, vocab] of at most `ROWS` values, float64 from a float32 product of just so many rows."""
    block = torch.zeros(ROWS, vectors.shape[1], device=vectors.device)
    block[: len(vectors)] = readout.direction(vectors)
    return (block @ readout.unembedding.T)[: len(vectors)].double()


def _importance(change: Tensor, log_p: Tensor, target: int) -> Tensor:
    """`d_w - log E_p[e^d]` for rows of logit changes [neuron, vocab]."""
    wanted = change[:, target]
    large = change.abs().amax(-1) > _SMALL
    normaliser = torch.log1p(torch.expm1(change.clamp(-_SMALL, _SMALL)) @ log_p.exp())
    if bool(large.any()):
        normaliser[large] = torch.logsumexp(change[large] + log_p, -1)
    return wanted - normaliser
