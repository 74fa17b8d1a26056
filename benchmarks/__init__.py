"""Benchmarks of each feature against the straightforward computation, with a check that both agree."""

import core  # noqa: F401 - sets how OpenMP waits, before torch is imported
