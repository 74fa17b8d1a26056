"""Page Two models, one sum."""
