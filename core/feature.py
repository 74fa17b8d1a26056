"""What is known of a shallow neuron or a word that reaches a deep neuron? The rows of table 7 (CNA §4.4).

`core.features` finds them and says how scores are computed.
"""

from dataclasses import dataclass
from typing import Literal

import pandas as pd


@dataclass(frozen=True)
class Feature:
    """A shallow neuron or word embedding at one position, by its best route to the root.

    Attributes:
        kind: neuron or embedding.
        layer: of the neuron; -1 for an embedding.
        neuron: its index; -1 for an embedding.
        position: where it is written.
        token: the input token there.
        coefficient: m; 1 for an embedding.
        through: the attention layer that carries it first; None: straight into the head.
        score_up: inner product with the root's up key, times the sign of the root's own score.
        score_gate: the same by the gate key; 0 in models without a gate.
        flow_up: score_up with the attention weights of the run.
        flow_gate: score_gate with the attention weights of the run.
        attention: the arithmetic head's weight from the last position to this one (of several: the largest).
        tokens_before: top tokens of what is written.
        tokens_after: top tokens of what attention layer `through` makes of it; empty where there is none.
    """

    kind: Literal["neuron", "embedding"]
    layer: int
    neuron: int
    position: int
    token: str
    coefficient: float
    through: int | None
    score_up: float
    score_gate: float
    flow_up: float
    flow_gate: float
    attention: float
    tokens_before: list[str]
    tokens_after: list[str]

    @property
    def score(self) -> float:
        """Up and gate together."""
        return self.score_up + self.score_gate

    @property
    def flow(self) -> float:
        """Up and gate together, with the attention weights of the run."""
        return self.flow_up + self.flow_gate

    @property
    def name(self) -> str:
        """As the paper writes it: 12_4072, or word 3."""
        return f"{self.layer}_{self.neuron}" if self.kind == "neuron" else f"word {self.token.strip()}"


@dataclass(frozen=True)
class Features:
    """The best shallow neurons and every word embedding of one prompt, best first.

    Attributes:
        heads: the arithmetic heads that carry, those of the request that the root reads; scores add up over them.
        root: the deep neuron that reads.
        rows: what was found.
    """

    heads: list[tuple[int, int]]
    root: tuple[int, int]
    rows: list[Feature]

    def to_frame(self) -> pd.DataFrame:
        """One row a neuron or embedding; through is missing where there is no first hop."""
        names = ["kind", "name", "layer", "neuron", "position", "token", "coefficient", "through", "score_up",
                 "score_gate", "score", "flow_up", "flow_gate", "flow", "attention", "tokens_before",
                 "tokens_after"]  # fmt: skip
        frame = pd.DataFrame([[getattr(row, name) for name in names] for row in self.rows], columns=names)
        return frame.astype({"through": "Int64"})
