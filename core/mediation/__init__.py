"""Causal mediation: indirect effects of values that are copied from one run into another."""

from core.mediation.measure import IndirectEffects, indirect_effects

__all__ = ["IndirectEffects", "indirect_effects"]
