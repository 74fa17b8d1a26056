"""Page Causal mediation."""
