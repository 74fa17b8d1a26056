"""The prediction-enhancing graph (PE-DAG): how the important deep neurons enhance each other (CNA §4.3).

An edge a -> b from a lower to a higher layer is the inner product of what a writes, `m_a v_a`,
with b's keys (with the norm's weight on them), times the sign of b's own up (gate) score: a positive weight
enhances b. It is the direct path only: what a writes may also reach b through attention
and other neurons. As in the paper the weight has no norm scale in it; times `scale` of b it is the
part of b's score that a brings in this run.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from core.chain.keys import keys_of
from core.forward.record import ActivationCache
from core.model.load import LoadedModel
from core.model.weights import columns
from core.neurons.root import root_of
from core.types import Neuron


@dataclass(frozen=True)
class Enhancing:
    """The PE-DAG of k neurons in one run, at the last position.

    Attributes:
        neurons: (layer, neuron) of each.
        root: the lowest-layer one (the most important of that layer).
        weight_up: weights [a, b] by b's up key, 0 where a's layer is not below b's.
        weight_gate: weights [a, b] by b's gate key; 0 in models without a gate.
        score_up: b's own up score in this run, biases and norm scale included.
        score_gate: b's own gate score; 0 in models without a gate.
        scale: the FFN norm's scale where b reads.
    """

    neurons: list[Neuron]
    root: Neuron
    weight_up: Float[Tensor, "k k"]
    weight_gate: Float[Tensor, "k k"]
    score_up: Float[Tensor, " k"]
    score_gate: Float[Tensor, " k"]
    scale: Float[Tensor, " k"]

    @property
    def weight(self) -> Float[Tensor, "k k"]:
        """The sum of both weights, as the paper's notebook ranks."""
        return self.weight_up + self.weight_gate

    def to_frame(self) -> pd.DataFrame:
        """One row per edge, heaviest first; layer, neuron: a; into_layer, into_neuron: b."""
        layer = torch.tensor([layer for layer, _ in self.neurons])
        edges = (layer[:, None] < layer[None]).nonzero().tolist()
        rows = [
            (*self.neurons[a], *self.neurons[b], float(self.weight_up[a, b]), float(self.weight_gate[a, b]))
            for a, b in edges
        ]
        names = ["layer", "neuron", "into_layer", "into_neuron", "weight_up", "weight_gate"]
        frame = pd.DataFrame(rows, columns=names)
        frame["weight"] = frame.weight_up + frame.weight_gate
        return frame.sort_values("weight", ascending=False, kind="stable", ignore_index=True)


@torch.no_grad()
def enhancing_of(
    lm: LoadedModel, run: ActivationCache, neurons: Sequence[Neuron], importance: Sequence[float] | Tensor
) -> Enhancing:
    """Measures all edges among some neurons.

    Args:
        lm: the model.
        run: the run whose coefficients and scores count.
        neurons: (layer, neuron) of each, in any order.
        importance: of each, in the same order; decides the root.

    Raises:
        UserError: for no neurons, one that does not exist or comes twice.
    """
    root = root_of(neurons, importance)
    keys = keys_of(lm, run, neurons)
    layer = torch.tensor([at for at, _ in neurons])
    weights = torch.einsum("ad,mbd->mab", subvalues(lm, run, neurons), keys.signed)
    weights = torch.where(layer[:, None] < layer[None], weights, 0.0)
    gated = len(weights) == 2
    return Enhancing(
        list(neurons),
        root,
        weights[0],
        weights[1] if gated else torch.zeros_like(weights[0]),
        keys.scores[0],
        keys.scores[1] if gated else torch.zeros_like(keys.scores[0]),
        keys.scale,
    )


def subvalues(
    lm: LoadedModel, run: ActivationCache, neurons: Sequence[Neuron], positions: Sequence[int] | None = None
) -> Float[Tensor, "k d_model"]:
    """What each neuron writes, `m v`, at its position; None: all at the last."""
    at = [-1] * len(neurons) if positions is None else list(positions)
    out = torch.zeros(len(neurons), lm.d_model)
    for layer in sorted({layer for layer, _ in neurons}):
        mine = [i for i, neuron in enumerate(neurons) if neuron[0] == layer]
        which = [neurons[i][1] for i in mine]
        where = [at[i] for i in mine]
        m = run.coefficient[layer, where, which] * run.ffn_scale[layer, where]
        out[mine] = m[:, None] * columns(lm.modules.neuron_writer(layer), which).T
    return out
