"""Attention masks of sequences that are given as one: which positions each may attend to, in every kind of layer.

A mask that is given to a transformers model replaces all of its own, so a layer that looks back only so far (a
sliding window: Mistral, Phi-3, Gemma, some Qwen) must find its window in it.
"""

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from core.model.load import LoadedModel

#: A 4-D additive mask of a batch of one for all layers, or one for each of the config's kinds of layers.
Mask = Tensor | dict[str, Tensor]


def attention_mask(lm: LoadedModel, visible: Bool[Tensor, "pos pos"], position: Int[Tensor, " pos"]) -> Mask:
    """What a transformers model takes as `attention_mask`.

    Args:
        lm: the model.
        visible: [query, key], whether a query comes after a key, or is it.
        position: of each in its sequence; windows are counted by these.
    """
    far = position[:, None] - position[None]
    masks: dict[str, Tensor] = {}
    for kind, window in lm.windows.items():
        seen = visible if window is None else visible & (far < window)
        mask = torch.zeros(seen.shape, dtype=lm.dtype).masked_fill_(~seen, torch.finfo(lm.dtype).min)
        masks[kind] = mask[None, None].to(lm.device)
    return masks if len(masks) > 1 else next(iter(masks.values()))
