"""One run of a prompt as a whole: next token, continuation, layer increase, logit lens, attention."""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float
from torch import Tensor

from core.forward.generate import continue_greedily
from core.forward.record import record_prompt
from core.forward.record_without import record_without
from core.hooks import ScaleHead, check_head, intervene
from core.model.load import LoadedModel
from core.neurons.layers import LayerIncrease, Lens, increase_of, lens_of
from core.types import Head, PromptLike

#: At most so many tokens of the continuation.
TOKENS = 12


@dataclass(frozen=True)
class PromptView:
    """What one run of a prompt shows.

    Attributes:
        ids: the tokens that were run: the prompt's, and the blanks that the model itself predicts behind them.
        typed: how many of them are the prompt's own.
        logits: at the last position.
        continuation: the most likely tokens that follow, each after the others; none where the context is full.
        increase: log-probability increase by layer, of the prediction with all heads.
        lens: what each layer would predict.
        pattern: attention of every head.
    """

    ids: list[int]
    typed: int
    logits: Float[Tensor, " vocab"]
    continuation: list[int]
    increase: LayerIncrease
    lens: Lens
    pattern: Float[Tensor, "layer head query key"]


def view_prompt(lm: LoadedModel, prompt: PromptLike, heads: Sequence[Head] = ()) -> PromptView:
    """Runs a prompt, with some heads ablated.

    The layer increase is then still about the prediction and the norm's scale of the original run, so that both
    views compare.

    Args:
        lm: the model.
        prompt: text or token ids, read as of `LoadedModel.prompt_ids` of the original model.
        heads: (layer, head) of the heads that are set to zero.

    Raises:
        UserError: for a prompt that the model cannot take, or a head that does not exist.
    """
    for head in heads:
        check_head(lm, *head)
    original, run = record_without(lm, prompt, heads) if heads else [record_prompt(lm, prompt)] * 2
    ids = original.ids
    typed = lm.encode(prompt) if isinstance(prompt, str) else ids
    with intervene(lm, *(ScaleHead(layer, head, 0.0) for layer, head in heads)):
        follows = continue_greedily(lm, ids, min(TOKENS, lm.n_context - len(ids)))
    increase = increase_of(lm, run, original=original)
    return PromptView(ids, len(typed), run.logits[-1].clone(), follows, increase, lens_of(lm, run), run.pattern)
