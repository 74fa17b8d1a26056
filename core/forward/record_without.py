"""A run's record beside that of the same run without some heads, whose layers below the heads run once.

In a causal model without those heads nothing changes below the lowest of them, so the second run begins at its layer.
"""

from collections.abc import Sequence

import torch
from torch import Tensor

from core.forward.record import ActivationCache, record_prompt, recording
from core.forward.replay import Arguments, Replay, read_logits
from core.hooks import CallHook, ScaleHead, intervene, own_hooks
from core.model.load import LoadedModel
from core.types import Head, PromptLike


@torch.no_grad()
def record_without(
    lm: LoadedModel, prompt: PromptLike, heads: Sequence[Head]
) -> tuple[ActivationCache, ActivationCache]:
    """Records a prompt's run, and the run with some heads ablated.

    Args:
        lm: the model.
        prompt: text or token ids, read as of `LoadedModel.prompt_ids` with all heads.
        heads: (layer, head) of at least one.

    Returns:
        The original run and the one without the heads; both as from `record`, bit for bit.

    Raises:
        UserError: for a prompt or head that the model cannot take.
    """
    begin = min(layer for layer, _ in heads)
    arguments: dict[int, Arguments] = {}
    stream: list[Tensor] = []  # at the input of the lowest head's layer

    def noting(number: int) -> CallHook:
        def note(args: tuple, kwargs: dict) -> None:
            arguments[number] = (args[1:], kwargs)
            if number == begin:
                stream[:] = [args[0]]

        return note

    with own_hooks(calls=[(layer, noting(number)) for number, layer in enumerate(lm.modules.layers)]):
        original = record_prompt(lm, prompt)
    edits = [ScaleHead(layer, head, 0.0) for layer, head in sorted({(layer, head) for layer, head in heads})]
    with intervene(lm, *edits), recording(lm, range(begin, lm.n_layers)) as notes:
        replay = Replay.of_stream(lm, begin, stream[0], [arguments[n] for n in range(lm.n_layers)])
        logits = read_logits(lm, replay.run())[0]
    return original, notes.cache(original.ids, logits, below=original)
