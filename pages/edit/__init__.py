"""Edits of heads and neurons."""
