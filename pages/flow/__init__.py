"""Pages that follow information through the model."""
