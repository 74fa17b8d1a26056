"""What is lost when one neuron is off, by itself? Exact, many neurons in few passes.

`log p(w) - log p(w) with the neuron at zero`, at every position: the total effect, through
every later layer. Importance (CNA §4.1) counts only what a neuron adds at the last position.
"""

from collections.abc import Sequence
from typing import TYPE_CHECKING

import torch
from jaxtyping import Float
from torch import Tensor

from core.neuron_sets import NeuronSet
from core.neurons_off import Trial, last_logits
from core.progress import Progress, silent

if TYPE_CHECKING:
    from core.model import LoadedModel


def single_effects(
    lm: "LoadedModel",
    prompt: str,
    neurons: Sequence[tuple[int, int]],
    target: int,
    progress: Progress = silent,
) -> Float[Tensor, " neuron"]:
    """Decrease of log p(target), nats, with each neuron at zero by itself.

    Args:
        lm: the model.
        prompt: text.
        neurons: (layer, neuron).
        target: token id w.
        progress: told after every batch.

    Raises:
        UserError: for a prompt or neuron that the model cannot take.
    """
    ids = tuple(lm.encode(prompt))
    trials = [Trial(ids, NeuronSet(())), *(Trial(ids, NeuronSet((pair,))) for pair in neurons)]
    logs = torch.log_softmax(last_logits(lm, trials, progress).double(), -1)[:, target]
    return (logs[0] - logs[1:]).float()
