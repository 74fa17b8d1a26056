"""Headline questions asked of any model, and their answers with intervals as one file beside the model."""
