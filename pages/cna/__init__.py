"""Neurons: what carries the answer on one prompt and on many, and what neurons mean."""
