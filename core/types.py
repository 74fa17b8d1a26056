"""Type aliases for places in a model: (layer, index)."""

from collections.abc import Sequence

Neuron = tuple[int, int]


Head = tuple[int, int]

#: A prompt: text, or token ids, which are taken exactly as they are.
PromptLike = str | Sequence[int]
