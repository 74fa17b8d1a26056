"""The keys of neurons as vectors on the residual stream, and the neurons' own scores in a run.

A neuron's coefficient is `silu(gate . n) (up . n)` or, with one map, `act(key . n)`, n the normed
residual stream. The inner product of a written vector with `n_b * up` (or gate), n_b the
norm's weight, says how it moves that score, up to the norm's scale (CNA §4.3).

Misleads about the coefficient itself where a gate is negative: silu is nearly flat there.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Float
from torch import Tensor

from core.forward.record import ActivationCache
from core.hooks import check_neuron
from core.model.load import LoadedModel
from core.model.norms import before_norm, frozen_scale
from core.model.weights import rows
from core.types import Neuron


@dataclass(frozen=True)
class Keys:
    """Keys of k neurons; maps are (up, gate), or the only one of an FFN without gate.

    Attributes:
        vectors: the keys with the norm's weight on them (LayerNorm: centred), without its scale.
        scores: what enters the neuron's product or activation in the run, biases and scale included.
        scale: the norm's scale there; `written . vector * scale` is that writer's part of the score.
    """

    vectors: Float[Tensor, "map k d_model"]
    scores: Float[Tensor, "map k"]
    scale: Float[Tensor, " k"]

    @property
    def signed(self) -> Float[Tensor, "map k d_model"]:
        """Keys times the sign of the neuron's own score (0 counts as positive): along them it is enhanced."""
        return torch.where(self.scores >= 0, 1.0, -1.0)[..., None] * self.vectors


@torch.no_grad()
def keys_of(
    lm: LoadedModel, run: ActivationCache, neurons: Sequence[Neuron], positions: Sequence[int] | None = None
) -> Keys:
    """Keys of some neurons and their scores in a run.

    Args:
        lm: the model.
        run: a run, intervened or not.
        neurons: (layer, neuron) of each.
        positions: where each one's score is read; None: all at the last position.

    Raises:
        UserError: for a neuron that does not exist.
    """
    for layer, neuron in neurons:
        check_neuron(lm, layer, neuron)
    where = torch.tensor([-1] * len(neurons) if positions is None else list(positions), dtype=torch.long)
    n_maps = len(lm.modules.neuron_input(0))
    vectors = torch.zeros(n_maps, len(neurons), lm.d_model)
    scores, scale = torch.zeros(n_maps, len(neurons)), torch.zeros(len(neurons))
    for layer in sorted({layer for layer, _ in neurons}):
        mine = [i for i, (at, _) in enumerate(neurons) if at == layer]
        which = [neurons[i][1] for i in mine]
        norm = lm.modules.ffn_norm(layer)
        x = ffn_input(lm, run, layer)[where[mine]]  # (mine, d_model)
        scale[mine] = frozen_scale(lm, norm, x)
        for number, keys in enumerate(reversed(lm.modules.neuron_input(layer))):  # up before gate
            module, these = keys.module, keys.of(which)
            raw = rows(module, these)
            vectors[number, mine] = before_norm(lm, norm, raw)
            score = (vectors[number, mine] * x).sum(-1) * scale[mine]
            if getattr(norm, "bias", None) is not None:
                score = score + raw @ norm.bias.float().cpu()
            if module.bias is not None:
                score = score + module.bias.float().cpu()[these]
            scores[number, mine] = score
    return Keys(vectors, scores, scale)


def ffn_input(lm: LoadedModel, run: ActivationCache, layer: int) -> Float[Tensor, "pos d_model"]:
    """The residual stream that a layer's FFN reads: after its attention; where they are parallel, before both."""
    return run.resid_pre[layer] if lm.modules.parallel else run.resid_pre[layer] + run.attention_out[layer]


def up_and_gate(weights: Float[Tensor, " map"]) -> tuple[float, float]:
    """The two weights of a neuron as numbers; the second is 0 in models without a gate."""
    both = [*weights.tolist(), 0.0]
    return both[0], both[1]
