"""Running a model: record, batch, ablate, patch, score, generate."""
