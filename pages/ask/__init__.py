"""Page Ask the model."""
