"""LoRA adapters: training, series, coefficients, pruning, export."""

from core.model.adapters import attach

__all__ = ["attach"]
