"""Metrics: what a run is judged by, from its logits; and relative decreases, how much of the original is lost.

A metric is an argument of head sweeps and of patching: one of `METRICS` by name, or any callable of
logits (*batch, vocab) and target token ids (*batch) that gives one number each.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from jaxtyping import Float, Int
from torch import Tensor

from core.errors import UserError


def relative(original: float, intervened: float) -> float:
    """Relative decrease, (original - intervened) / original; NaN where the original is 0."""
    return (original - intervened) / original if original else float("nan")


def coefficient_decrease(original: Float[Tensor, " neuron"], intervened: Float[Tensor, " neuron"]) -> float:
    """`1 - sum(sign(m_o) m_i) / sum|m_o|` (*choice*): 0 unchanged, 1 gone, above 1 the sign is flipped.

    NaN for no neurons, or where all originals are 0.
    """
    size = float(original.abs().sum())
    return 1 - float((original.sign() * intervened).sum()) / size if size else float("nan")


#: From logits, targets and, where two results are compared, the other result (else None) to values.
MetricFunction = Callable[[Tensor, Tensor, Tensor | None], Tensor]


@dataclass(frozen=True)
class Metric:
    """A measured quantity.

    Attributes:
        name: in words.
        unit: of its values; empty for a share of 1 and for a callable of unknown unit.
        compute: gives the values.
        is_share: whether values are shares of 1, so that a relative decrease makes sense.
    """

    name: str
    unit: str
    compute: MetricFunction
    is_share: bool = False

    def __call__(
        self,
        logits: Float[Tensor, "*batch vocab"],
        target: Int[Tensor, "*batch"],
        other: Int[Tensor, "*batch"] | None = None,
    ) -> Float[Tensor, "*batch"]:
        """One value for each target, on the logits' device.

        Args:
            logits: of the next token.
            target: token ids.
            other: in patching, the alternative's result, which a difference is taken to.

        Raises:
            UserError: when the metric does not give one number for each target.
        """
        values = self.compute(logits, target, other)
        if not isinstance(values, Tensor) or values.shape != target.shape:
            shape = tuple(values.shape) if isinstance(values, Tensor) else type(values).__name__
            raise UserError(
                f"The metric {self.name!r} gave {shape} for targets {tuple(target.shape)}. "
                "It must give a tensor with one number for each target."
            )
        return values.to(logits.dtype)


def _of_target(values: Tensor, target: Tensor) -> Tensor:
    return values.gather(-1, target[..., None])[..., 0]


def _probability(logits: Tensor, target: Tensor, other: Tensor | None) -> Tensor:
    return _of_target(torch.softmax(logits, -1), target)


def _log_probability(logits: Tensor, target: Tensor, other: Tensor | None) -> Tensor:
    return _of_target(torch.log_softmax(logits, -1), target)


def _logit_difference(logits: Tensor, target: Tensor, other: Tensor | None) -> Tensor:
    """Target minus the other result; where there is none, or it is the target, minus the strongest other token."""
    against = logits.scatter(-1, target[..., None], -torch.inf).amax(-1)
    if other is not None:
        against = torch.where(other == target, against, _of_target(logits, other))
    return _of_target(logits, target) - against


def _exact_match(logits: Tensor, target: Tensor, other: Tensor | None) -> Tensor:
    return (logits.argmax(-1) == target).to(logits.dtype)


PROBABILITY = Metric("probability", "", _probability, is_share=True)


METRICS = {
    metric.name: metric
    for metric in (
        PROBABILITY,
        Metric("log-probability", "nats", _log_probability),
        Metric("logit difference", "logits", _logit_difference),
        Metric("exact match", "", _exact_match, is_share=True),
    )
}


#: A metric by name, a metric, or a callable of logits and targets.
MetricLike = str | Metric | Callable[[Tensor, Tensor], Tensor]


def as_metric(metric: MetricLike) -> Metric:
    """The metric of a name, or around a callable.

    Raises:
        UserError: for a name that does not exist.
    """
    if isinstance(metric, Metric):
        return metric
    if isinstance(metric, str):
        if metric not in METRICS:
            raise UserError(f"Metric {metric!r} does not exist: use one of {', '.join(METRICS)}, or a function.")
        return METRICS[metric]
    function = metric
    name = getattr(function, "__name__", type(function).__name__)
    return Metric(name, "", lambda logits, target, other: function(logits, target))
