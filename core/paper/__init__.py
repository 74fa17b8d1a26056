"""What the CNA paper printed and used, to show beside our own results: tables, notebook, models, presets."""

from core.paper.tables import SOURCE, frame, table

__all__ = ["SOURCE", "frame", "table"]
