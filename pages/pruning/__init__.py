"""Page Pruning."""
