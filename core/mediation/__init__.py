"""Causal mediation: values copied from one run into another."""

from core.mediation.measure import IndirectEffects, indirect_effects

__all__ = ["IndirectEffects", "indirect_effects"]
