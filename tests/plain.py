"""The plain way to everything's importance: what the exact and fast ways are compared with.

CNA §4.1. `Imp = log p(w | r + m v) - log p(w | r)` at the last position, where r is the
residual stream before the neuron's FFN, m its coefficient and v its value, with the final
norm's scale frozen to the original run's.
"""

import torch
from jaxtyping import Float
from torch import Tensor

from core.forward.record import ActivationCache
from core.model.load import LoadedModel
from core.model.unembed import Unembedding
from core.model.weights import values

_CHUNK = 2**25


@torch.no_grad()
def importances(
    lm: "LoadedModel", run: ActivationCache, target: int, scale: Float[Tensor, ""], layers: range | None = None
) -> Float[Tensor, "layer neuron"]:
    """Importance of every neuron, by the full vocabulary of each.

    Args:
        lm: the model.
        run: a recording, intervened or not.
        target: token id w.
        scale: mean square (or variance) of the original run's final output at the last position.
        layers: only these; the others' importance is 0.
    """
    readout = Unembedding.of(lm)
    out = torch.zeros(lm.n_layers, lm.n_neurons)
    for layer in layers if layers is not None else range(lm.n_layers):
        r = run.resid_pre[layer, -1] + run.attention_out[layer, -1]
        subvalues = run.coefficient[layer, -1][:, None] * values(lm, layer)  # (neuron, d_model)
        base = readout.log_probabilities(r, scale)[target]
        for rows in torch.arange(lm.n_neurons).split(max(1, _CHUNK // lm.n_vocab)):
            out[layer, rows] = readout.log_probabilities(r + subvalues[rows], scale)[:, target] - base
    return out
