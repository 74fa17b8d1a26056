"""The importance of neurons, exactly: by the full vocabulary.

With `d` the change of every token's logit that a neuron's subvalue causes and p the
softmax before it, `Imp = d_w - log E_p[e^d]` (CNA §4.1; the same number as the
difference of two log-probabilities, without their cancellation). `W_U (g * v)` is a
float32 product, everything after it float64. Products always have the same number of
rows, so a neuron's importance is the same whatever else is computed beside it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.model.unembed import Unembedding

ROWS = 64


_SMALL = 20.0


@dataclass(frozen=True)
class RunSide:
    """One run at the last position before one layer's FFN adds to it.

    Attributes:
        log_p: log-probabilities that the unembedding gives there [vocab], float64.
        factor: what multiplies `W_U (g * v)` to give logits: coefficient over the norm's
            scale [neuron], float64.
    """

    log_p: Tensor
    factor: Tensor

    def of(self, neurons: Tensor) -> "RunSide":
        """The same for some of the neurons."""
        return RunSide(self.log_p, self.factor[neurons.to(self.factor.device)])


@torch.no_grad()
def sides_of(unembedding: Unembedding, r: Tensor, coefficient: Tensor, scale: Tensor) -> list[RunSide]:
    """One run at its last position, before the FFNs of some layers: one `RunSide` per layer.

    Args:
        unembedding: of the model.
        r: the residual stream there [layer, d_model].
        coefficient: of every neuron [layer, neuron].
        scale: the frozen scale of the final norm.
    """
    device = unembedding.matrix.device
    log_p = unembedding.log_probabilities(r, scale).to(device).double()
    log_p = log_p - torch.logsumexp(log_p, -1, keepdim=True)  # what float32 left over
    factor = coefficient.to(device).double() * torch.rsqrt(scale.to(device).double() + unembedding.eps)
    return [RunSide(p, f) for p, f in zip(log_p, factor, strict=True)]


def exact_importance(
    unembedding: Unembedding,
    vectors: Float[Tensor, "neuron d_model"],
    targets: Sequence[int],
    groups: Sequence[tuple[Tensor, Sequence[RunSide]]],
) -> Float[Tensor, "run neuron target"]:
    """Importance of neurons for each target in each run, float64 on the CPU.

    Args:
        unembedding: of the model.
        vectors: the neurons' values.
        targets: the tokens w.
        groups: rows of `vectors` that share a layer, with that layer's sides, whose factors
            are of just these rows.
    """
    device = unembedding.matrix.device
    shape = (len(groups[0][1]), len(vectors), len(targets))
    out = torch.empty(shape, dtype=torch.float64, device=device)
    for start in range(0, len(vectors), ROWS):
        logits = _logits(unembedding, vectors[start : start + ROWS].to(device))
        for rows, sides in groups:
            inside = ((rows >= start) & (rows < start + ROWS)).nonzero()[:, 0]
            for number, one in enumerate(sides) if len(inside) else ():
                change = logits[rows[inside] - start] * one.factor[inside, None]
                out[number, rows[inside]] = _importance(change, one.log_p, targets)
    return out.cpu()


def _logits(unembedding: Unembedding, vectors: Tensor) -> Tensor:
    """`W_U (g * v)` [neuron, vocab] of at most `ROWS` values, float64 from a float32 product of just so many rows."""
    block = torch.zeros(ROWS, vectors.shape[1], device=vectors.device)
    block[: len(vectors)] = unembedding.direction(vectors)
    return (block @ unembedding.matrix.T)[: len(vectors)].double()


def _importance(change: Tensor, log_p: Tensor, targets: Sequence[int]) -> Tensor:
    """`d_w - log E_p[e^d]` [neuron, target] for rows of logit changes [neuron, vocab]."""
    large = change.abs().amax(-1) > _SMALL
    normaliser = torch.log1p(torch.expm1(change.clamp(-_SMALL, _SMALL)) @ log_p.exp())
    if bool(large.any()):
        normaliser[large] = torch.logsumexp(change[large] + log_p, -1)
    return change[:, list(targets)] - normaliser[:, None]
