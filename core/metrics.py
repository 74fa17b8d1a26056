"""Relative decreases, as in the CNA paper: how much of the original is lost."""

from jaxtyping import Float
from torch import Tensor


def relative(original: float, intervened: float) -> float:
    """Relative decrease, (original - intervened) / original; NaN where the original is 0."""
    return (original - intervened) / original if original else float("nan")


def coefficient_decrease(original: Float[Tensor, " neuron"], intervened: Float[Tensor, " neuron"]) -> float:
    """`1 - sum(sign(m_o) m_i) / sum|m_o|` (*choice*): 0 unchanged, 1 gone, above 1 the sign is flipped.

    NaN for no neurons, or where all originals are 0.
    """
    size = float(original.abs().sum())
    return 1 - float((original.sign() * intervened).sum()) / size if size else float("nan")
