"""The comparison of every neuron between two runs: neurons in order of their change (CNA §4.2)."""

from dataclasses import dataclass

import pandas as pd
from jaxtyping import Float, Int
from torch import Tensor

from core.types import Neuron


@dataclass(frozen=True)
class Comparison:
    """Neurons of two runs at the last position, ranked by change of importance, largest first.

    Equal changes stand in order of layer and neuron.

    Attributes:
        target: the token id w whose log-probability is looked at.
        probability_first: p(w) of the first run.
        probability_second: p(w) of the second run.
        layer: layer of each neuron.
        neuron: index of each neuron in its layer.
        change: importance_first - importance_second (nats).
        importance_first: importance in the first run (nats).
        importance_second: importance in the second run (nats).
        coefficient_first: coefficient in the first run.
        coefficient_second: coefficient in the second run.
        compared: how many neurons the ranking is about.
        by_full_vocabulary: how many of them needed the full vocabulary; bounds decided the others.
    """

    target: int
    probability_first: float
    probability_second: float
    layer: Int[Tensor, " k"]
    neuron: Int[Tensor, " k"]
    change: Float[Tensor, " k"]
    importance_first: Float[Tensor, " k"]
    importance_second: Float[Tensor, " k"]
    coefficient_first: Float[Tensor, " k"]
    coefficient_second: Float[Tensor, " k"]
    compared: int
    by_full_vocabulary: int

    @property
    def pairs(self) -> list[Neuron]:
        """(layer, neuron) of each, in order."""
        return list(zip(self.layer.tolist(), self.neuron.tolist(), strict=True))

    def top(self, k: int) -> list[Neuron]:
        """The first k pairs (layer, neuron)."""
        return self.pairs[:k]

    def to_frame(self) -> pd.DataFrame:
        """One row per neuron, sorted by change."""
        columns = (
            "layer",
            "neuron",
            "change",
            "importance_first",
            "importance_second",
            "coefficient_first",
            "coefficient_second",
        )
        return pd.DataFrame({name: getattr(self, name).numpy() for name in columns})
