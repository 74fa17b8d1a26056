"""Page CNA logic chain."""
