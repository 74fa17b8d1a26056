"""Type aliases for places in a model: (layer, index)."""

Neuron = tuple[int, int]


Head = tuple[int, int]
