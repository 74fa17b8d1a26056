"""Page Find neurons."""
