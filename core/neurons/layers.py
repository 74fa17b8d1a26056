"""The increase by layers: how much each layer's attention and FFN raises the log-probability of the answer.

The increase of a module is `log p(w | before + what it adds) - log p(w | before)` at the
last position, with the final norm's scale frozen to the original run's final output.
Misleads where a module only prepares what a later layer reads: its increase is then 0.
"""

from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from core.errors import UserError
from core.forward.record import ActivationCache, record_prompt
from core.model.load import LoadedModel
from core.model.unembed import Unembedding
from core.types import PromptLike


@dataclass(frozen=True)
class LayerIncrease:
    """Log-probability increase (nats) of the target by each layer's attention and FFN.

    Attributes:
        target: the token id w.
        probability: p(w) of the whole run.
        attention: increase by A^l on x^(l-1).
        ffn: increase by F^l on x^(l-1) + A^l.
    """

    target: int
    probability: float
    attention: Float[Tensor, " layer"]
    ffn: Float[Tensor, " layer"]

    def to_frame(self) -> pd.DataFrame:
        """One row per layer and module: layer, module, increase (nats)."""
        rows = []
        for module, values in (("attention", self.attention), ("FFN", self.ffn)):
            rows += [(layer, module, value) for layer, value in enumerate(values.tolist())]
        return pd.DataFrame(rows, columns=["layer", "module", "increase"]).sort_values(
            ["layer", "module"], ignore_index=True
        )


def layer_increase(lm: LoadedModel, prompt: PromptLike, target: int | None = None) -> LayerIncrease:
    """Measures the increase of every layer's attention and FFN.

    Args:
        lm: the model.
        prompt: text or token ids, read as of `LoadedModel.prompt_ids`.
        target: token id; None: the model's own prediction.

    Raises:
        UserError: for a prompt or target the model cannot take.
    """
    return increase_of(lm, record_prompt(lm, prompt), target)


def increase_of(
    lm: LoadedModel, run: ActivationCache, target: int | None = None, original: ActivationCache | None = None
) -> LayerIncrease:
    """The same, from a run that is already there.

    For an intervened run give the original one: the target and the norm's scale are then
    the original's, so that the increases of both runs compare.
    """
    original = original or run
    if target is None:
        target = int(original.logits[-1].argmax())
    if not 0 <= target < lm.n_vocab:
        raise UserError(f"Token id {target} lies outside this model's vocabulary, 0 to {lm.n_vocab - 1}.")
    unembedding = Unembedding.of(lm)
    scale = unembedding.scale(original.resid_post[-1])
    before = run.resid_pre[:, -1]  # (layer, d_model)
    middle = before + run.attention_out[:, -1]
    after = middle + run.ffn_out[:, -1]
    every = torch.stack([before, middle, after])  # one pass over the output matrix for all of them
    at_before, at_middle, at_after = unembedding.log_probabilities(every, scale)[..., target]
    probability = float(torch.softmax(run.logits[-1], -1)[target])
    return LayerIncrease(target, probability, at_middle - at_before, at_after - at_middle)


@dataclass(frozen=True)
class Lens:
    """What each layer would predict if it were the last (logit lens).

    Attributes:
        token: the most likely token after each layer, from the embedding (0) to the output (n_layers).
        probability: its probability.
    """

    token: list[int]
    probability: Float[Tensor, " layer_plus_one"]


def lens_of(lm: LoadedModel, run: ActivationCache, position: int = -1) -> Lens:
    """The logit lens at one position of a run."""
    stream = torch.cat([run.resid_pre[:, position], run.resid_post[None, position]])
    best = Unembedding.of(lm).lens(stream).exp().max(-1)
    return Lens(best.indices.tolist(), best.values)
