"""Importance of FFN neurons and its comparison between two runs (CNA)."""

from core.neurons.compare import compare_heads, compare_models, compare_prompts
from core.neurons.layers import layer_increase

__all__ = ["compare_heads", "compare_models", "compare_prompts", "layer_increase"]
