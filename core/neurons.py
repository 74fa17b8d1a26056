"""Neurons and layers of one run, or compared between two runs: the names that scripts import."""

from core.increase import LayerIncrease, layer_increase

__all__ = ["LayerIncrease", "layer_increase"]
