"""Shared names for places in a model."""

Neuron = tuple[int, int]


Head = tuple[int, int]
