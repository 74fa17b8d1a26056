"""Page Arithmetic heads."""
