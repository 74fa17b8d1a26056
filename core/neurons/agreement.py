"""First-order scores (gradient × activation) beside exact effects of ablation, for one prompt."""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from core.heads.sweep import sweep_heads
from core.model.load import LoadedModel
from core.neurons.ablation_effects import single_effects
from core.neurons.attribution import FirstOrder, first_order
from core.progress import Progress, part, silent
from core.types import Neuron, PromptLike


@dataclass(frozen=True)
class Agreement:
    """Decrease of log p of a token (nats) when each head, or each of some neurons, is ablated by itself.

    Attributes:
        approximate: first-order scores of every head and neuron.
        heads: exact decrease, for every head.
        pairs: the neurons that were ablated.
        neurons: exact decrease, for each of them.
    """

    approximate: FirstOrder
    heads: Float[Tensor, "layer head"]
    pairs: list[Neuron]
    neurons: Float[Tensor, " k"]

    def to_frame(self) -> pd.DataFrame:
        """One row per head and neuron: kind (head, neuron), name, approximate, exact."""
        rows = [
            ("head", f"{layer}_{head}", float(self.approximate.heads[layer, head]), float(exact))
            for layer, row in enumerate(self.heads)
            for head, exact in enumerate(row)
        ]
        rows += [
            ("neuron", f"{layer}_{neuron}", float(self.approximate.neurons[layer, neuron]), float(exact))
            for (layer, neuron), exact in zip(self.pairs, self.neurons, strict=True)
        ]
        return pd.DataFrame(rows, columns=["kind", "name", "approximate", "exact"])

    def rank_correlation(self) -> dict[str, float]:
        """Spearman's correlation of approximate and exact, by kind."""
        return {
            str(kind): float(rows["approximate"].rank().corr(rows["exact"].rank()))
            for kind, rows in self.to_frame().groupby("kind")
        }


def score_agreement(
    lm: LoadedModel, prompt: PromptLike, pairs: Sequence[Neuron], target: int, progress: Progress = silent
) -> Agreement:
    """Scores every head and neuron at once, then ablates every head and some neurons one at a time.

    Args:
        lm: the model.
        prompt: text or token ids, read as of `LoadedModel.prompt_ids`.
        pairs: (layer, neuron) of the neurons.
        target: token id whose log-probability is followed.
        progress: is told often.

    Raises:
        UserError: for a prompt, neuron or target that the model cannot take.
    """
    scores = first_order(lm, prompt, target)
    swept = sweep_heads(lm, [prompt], [target], progress=part(progress, 0, 2))
    heads = swept.baseline[0].double().log() - swept.probability[0].double().log()
    effects = single_effects(lm, prompt, pairs, target, part(progress, 1, 2))
    return Agreement(scores, heads, list(pairs), effects)
