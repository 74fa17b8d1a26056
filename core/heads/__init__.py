"""Head sweeps: every attention head ablated, one at a time."""

from core.heads.sweep import HeadSweep, sweep_heads

__all__ = ["HeadSweep", "sweep_heads"]
