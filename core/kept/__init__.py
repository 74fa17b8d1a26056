"""Measured numbers on disk: records of results, and the chunks of work that has not ended."""
