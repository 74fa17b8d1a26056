"""What a vector of the residual stream means in tokens."""

from core.vocabulary.neuron_tokens import find_shallow_neurons, top_tokens

__all__ = ["find_shallow_neurons", "top_tokens"]
