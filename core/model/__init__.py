"""Loading a model, its weights and its adapters."""

from core.model.load import LoadedModel, load_model

__all__ = ["LoadedModel", "load_model"]
