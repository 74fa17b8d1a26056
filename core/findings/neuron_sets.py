"""Mask and keep: what a few deep neurons are worth to answer tokens, with intervals (CNA §4.2).

Each right answer token's own top neurons are masked, or all others zeroed; a loss is the share of these tokens that
turn wrong, with a bootstrap interval over prompts. Where all of them turn wrong, or none does, resamples say nothing,
and the interval is Wilson's for as many cases as there are prompts. Neurons are found and tested on the same token.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Literal

import torch
from jaxtyping import Bool
from torch import Tensor

from core.ablation.cases import comparing_heads
from core.ablation.mask_keep import MaskKeep, mask_and_keep
from core.findings.figures import Figure, NotMeasurable, of_samples, share_of
from core.findings.settings import FindingsSettings
from core.model.load import LoadedModel
from core.progress import Progress
from core.prompts.arithmetic import Operation
from core.reading import strict
from core.statistics.intervals import means, relative_decreases
from core.types import Head

#: Which heads CNA ablates in its second run: the one with the largest decrease, or all that matter.
Which = Literal["top head", "heads that matter"]


@strict
@dataclass(frozen=True)
class NeuronSetLosses:
    """What masking and keeping the top k neurons costs, for one-digit prompts of an operation.

    Attributes:
        operation: `+ - * /`.
        which: which heads.
        heads: (layer, head) of them.
        k: how many neurons.
        prompts: with at least one right answer token.
        cases: right answer tokens.
        mask: the share that turns wrong with the top k at zero.
        keep: the share that turns wrong with all others at zero, from the lowest head's layer on.
        coefficient: mean decrease of the top k's coefficients with the heads ablated; None where it has no value.
    """

    operation: Operation
    which: Which
    heads: tuple[Head, ...]
    k: int
    prompts: int
    cases: int
    mask: Figure
    keep: Figure
    coefficient: Figure | None


def measure_neuron_sets(
    lm: LoadedModel,
    settings: FindingsSettings,
    operation: Operation,
    which: Which,
    heads: list[Head],
    progress: Progress,
) -> tuple[NeuronSetLosses, ...]:
    """Masks and keeps the neurons that CNA finds with the heads ablated, for each k.

    Raises:
        NotMeasurable: where no answer token is right, or there are no heads.
    """
    if not heads:
        raise NotMeasurable(f"No head matters to {operation} (none decreases accuracy by 10% or more).")
    prompts = settings.asked(operation, 1, settings.mask_prompts)
    most = min(max(settings.ks), lm.n_layers * lm.n_neurons)
    lowest = min(layer for layer, _ in heads)
    ks = sorted({min(k, most) for k in settings.ks}, reverse=True)
    found = mask_and_keep(lm, prompts, comparing_heads(lm, heads, most), lowest, ks, progress)
    if not found.measured.any():
        raise NotMeasurable(f"No answer token of {len(prompts)} prompts of 1-digit {operation} is predicted right.")
    return tuple(_losses(found, operation, which, heads, settings.seed))


def _losses(
    found: MaskKeep, operation: Operation, which: Which, heads: list[Head], seed: int
) -> Iterator[NeuronSetLosses]:
    units = [case.number for case, done in zip(found.cases.tokens, found.measured.tolist(), strict=True) if done]
    n_units = len(set(units))
    coefficient = means(found.coefficient[found.measured], units, seed)
    for at, k in enumerate(found.ks):
        has_mean = not bool(coefficient[0, at].isnan())
        yield NeuronSetLosses(
            operation=operation,
            which=which,
            heads=tuple(heads),
            k=k,
            prompts=n_units,
            cases=len(units),
            mask=_loss(found.mask[found.measured, at], units, seed),
            keep=_loss(found.keep[found.measured, at], units, seed),
            coefficient=of_samples(coefficient[:, at], n_units, "") if has_mean else None,
        )


def _loss(stays_right: Bool[Tensor, " case"], units: list[int], seed: int) -> Figure:
    """The share of tokens that turn wrong."""
    n_units, wrong = len(set(units)), int((~stays_right).sum())
    if wrong in (0, len(units)):
        return share_of(n_units if wrong else 0, n_units)
    everything_right = torch.ones_like(stays_right)
    return of_samples(relative_decreases(everything_right, stays_right, units, seed), n_units, "")
