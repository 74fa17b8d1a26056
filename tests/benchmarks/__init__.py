"""Tests of the benchmarks: what they compare agrees."""
