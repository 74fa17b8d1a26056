"""The effect of single neurons, each ablated by itself: exact, many neurons in few passes.

`log p(w) - log p(w) with the neuron at zero`, at every position: the total effect, through
every later layer. Importance (CNA §4.1) counts only what a neuron adds at the last position.
"""

from collections.abc import Sequence

import torch
from jaxtyping import Float
from torch import Tensor

from core.forward.ablate_neurons import Trial, logits_without
from core.forward.neuron_sets import NeuronSet
from core.model.load import LoadedModel
from core.progress import Progress, silent
from core.types import Neuron, PromptLike


def single_effects(
    lm: LoadedModel,
    prompt: PromptLike,
    neurons: Sequence[Neuron],
    target: int,
    progress: Progress = silent,
) -> Float[Tensor, " neuron"]:
    """Decrease of log p(target), nats, with each neuron at zero by itself.

    Args:
        lm: the model.
        prompt: text or token ids, read as of `LoadedModel.prompt_ids`.
        neurons: (layer, neuron).
        target: token id w.
        progress: told after every batch.

    Raises:
        UserError: for a prompt or neuron that the model cannot take.
    """
    ids = tuple(lm.prompt_ids(prompt))
    trials = [Trial(ids, NeuronSet(())), *(Trial(ids, NeuronSet((pair,))) for pair in neurons)]
    logs = torch.log_softmax(logits_without(lm, trials, progress).double(), -1)[:, target]
    return (logs[0] - logs[1:]).float()
