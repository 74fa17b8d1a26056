"""Look at one prompt."""
