"""Settings of the page's questions: each is the key of its job, and what the link and the downloads keep."""

from dataclasses import dataclass

from core.bias.measure import BiasWords
from core.types import Neuron
from pages.shared.settings import Settings, in_link


@dataclass(frozen=True)
class EditSettings(Settings):
    """Neurons that are scaled together, and how that is measured."""

    words: BiasWords
    neurons: tuple[Neuron, ...]
    factor: float = in_link("bias_factor", 0.0, float)
    count: int = in_link("bias_count", 25, int)
    draws: int = in_link("bias_draws", 5, int)


@dataclass(frozen=True)
class CurveSettings(Settings):
    """The first 1, 2, 3 ... of these neurons, scaled together."""

    words: BiasWords
    neurons: tuple[Neuron, ...]
    factor: float = in_link("bias_factor", 0.0, float)
    count: int = in_link("bias_count", 25, int)
