"""The importance of neurons, exactly: by the full vocabulary.

With `d` the change of every token's logit that a neuron's subvalue causes and p the
softmax before it, `Imp = d_w - log E_p[e^d]` (CNA §4.1; the same number as the
difference of two log-probabilities, without their cancellation). `W_U (g * v)` is a
float32 product, everything after it float64. Products always have the same number of
rows, so a neuron's importance is the same whatever else is computed beside it.

A soft-cap of the logits (Gemma 2) bends what adds up: `d = c tanh((x + e) / c) - c tanh(x / c)`, with x a token's
logit before the cap and e what the subvalue adds to it. The importance is then exact too, with d in place of e.

The sum over the vocabulary goes from one block of the output matrix to the next, so that neither the whole
matrix in float32 nor the logits of many neurons are ever held.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import torch
from jaxtyping import Float
from torch import Tensor

from core.model.unembed import Unembedding

ROWS = 64


_SMALL = 20.0


@dataclass(frozen=True)
class SoftCap:
    """What a soft-cap of the logits makes of changes of what it caps.

    Attributes:
        cap: c.
        bent: `tanh(x / c)` of the logits x before the change [vocab], float64.
    """

    cap: float
    bent: Tensor

    def change(self, added: Float[Tensor, "*batch token"], tokens: Tensor | slice) -> Float[Tensor, "*batch token"]:
        """The change of capped logits of some tokens, without the cancellation of a difference."""
        a, b = self.bent[tokens], torch.tanh(added / self.cap)
        return self.cap * b * (1 - a.square()) / (1 + a * b)

    def slope(self, tokens: Tensor | slice) -> Float[Tensor, " token"]:
        """How much of a small change is left."""
        return 1 - self.bent[tokens].square()


@dataclass(frozen=True)
class RunSide:
    """One run at the last position before one layer's FFN adds to it.

    Attributes:
        log_p: log-probabilities that the unembedding gives there [vocab], float64.
        factor: what multiplies `W_U (g * v)` to give logits: coefficient over the norm's
            scale [neuron], float64.
        cap: the soft-cap of the logits, where the model has one.
    """

    log_p: Tensor
    factor: Tensor
    cap: SoftCap | None = None

    def of(self, neurons: Tensor) -> "RunSide":
        """The same for some of the neurons."""
        return replace(self, factor=self.factor[neurons.to(self.factor.device)])

    def change(self, added: Float[Tensor, "*batch token"], tokens: Tensor | slice) -> Float[Tensor, "*batch token"]:
        """The change of some tokens' logits when so much is added to them before a soft-cap."""
        return added if self.cap is None else self.cap.change(added, tokens)


@torch.no_grad()
def sides_of(unembedding: Unembedding, r: Tensor, coefficient: Tensor, scale: Tensor) -> list[RunSide]:
    """One run at its last position, before the FFNs of some layers: one `RunSide` per layer.

    Args:
        unembedding: of the model.
        r: the residual stream there [layer, d_model].
        coefficient: of every neuron [layer, neuron], times the scale of a norm after the FFN.
        scale: the frozen scale of the final norm.
    """
    device = unembedding.device
    log_p = unembedding.log_probabilities(r, scale).to(device).double()
    log_p = log_p - torch.logsumexp(log_p, -1, keepdim=True)  # what float32 left over
    factor = coefficient.to(device).double() * torch.rsqrt(scale.to(device).double() + unembedding.eps)
    caps: list[SoftCap | None] = [None] * len(r)
    if unembedding.cap is not None:
        caps = [SoftCap(unembedding.cap, x) for x in (unembedding.uncapped(r, scale).double() / unembedding.cap).tanh()]
    return [RunSide(p, f, c) for p, f, c in zip(log_p, factor, caps, strict=True)]


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
    device = unembedding.device
    direction = unembedding.direction(vectors.to(device))
    sums = [_Sums(len(vectors), len(targets), device) for _ in groups[0][1]]
    pieces = _pieces(len(vectors), [rows.to(device) for rows, _ in groups])
    for place, block in unembedding.blocks():
        for start, parts in pieces:
            logits = _logits(direction[start : start + ROWS], block)
            for group, inside, rows in parts:
                mine = logits[rows - start]
                for one, total in zip(groups[group][1], sums, strict=True):
                    change = one.change(mine * one.factor[inside, None], place)
                    total.add(rows, change, one.log_p[place], _targets_in(place, targets))
    return torch.stack([total.importance() for total in sums]).cpu()


_Part = tuple[int, Tensor, Tensor]  # of a product: a group, places in it, and rows of all vectors


def _pieces(n: int, groups: Sequence[Tensor]) -> list[tuple[int, list[_Part]]]:
    """The beginning of every product of `ROWS` vectors, with the groups that have rows in it."""
    out = []
    for start in range(0, n, ROWS):
        inside = [((rows >= start) & (rows < start + ROWS)).nonzero()[:, 0] for rows in groups]
        out.append((start, [(group, i, groups[group][i]) for group, i in enumerate(inside) if len(i)]))
    return out


def _targets_in(place: slice, targets: Sequence[int]) -> list[tuple[int, int]]:
    """The targets in a block of the vocabulary: number, and place in the block."""
    return [(number, token - place.start) for number, token in enumerate(targets) if place.start <= token < place.stop]


def _logits(direction: Tensor, block: Tensor) -> Tensor:
    """`W_U (g * v)` [neuron, token] of at most `ROWS` values, float64 from a float32 product of just so many rows."""
    padded = torch.zeros(ROWS, direction.shape[1], device=direction.device)
    padded[: len(direction)] = direction
    return (padded @ block.T)[: len(direction)].double()


class _Sums:
    """What makes up `d_w - log E_p[e^d]` of neurons in one run, added up over blocks of the vocabulary."""

    def __init__(self, n: int, n_targets: int, device: torch.device):
        self._wanted = torch.zeros(n, n_targets, dtype=torch.float64, device=device)  # d_w
        self._small = torch.zeros(n, dtype=torch.float64, device=device)  # sum of p (e^d - 1) where no |d| is large
        self._mass = torch.zeros_like(self._small)  # sum of p there
        self._large = torch.full_like(self._small, -torch.inf)  # log of the sum of p e^d in blocks with a large |d|

    def add(self, rows: Tensor, change: Tensor, log_p: Tensor, targets: Sequence[tuple[int, int]]) -> None:
        """Adds a block: logit changes [row, token] of some neurons, and the tokens' log-probabilities."""
        for number, token in targets:
            self._wanted[rows, number] = change[:, token]
        p, large = log_p.exp(), change.abs().amax(-1) > _SMALL
        self._small[rows] += torch.where(large, 0.0, torch.expm1(change.clamp(-_SMALL, _SMALL)) @ p)
        self._mass[rows] += torch.where(large, 0.0, p.sum())
        if bool(large.any()):
            sums = torch.logsumexp(change[large] + log_p, -1)
            self._large[rows[large]] = torch.logaddexp(self._large[rows[large]], sums)

    def importance(self) -> Float[Tensor, "neuron target"]:
        """The difference, once every block was added."""
        rest = (self._mass + self._small).clamp_min(0.0).log()
        normaliser = torch.where(self._large > -torch.inf, torch.logaddexp(self._large, rest), torch.log1p(self._small))
        return self._wanted - normaliser[:, None]
