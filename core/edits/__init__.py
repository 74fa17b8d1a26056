"""What-if edits: sets, recipes, export and detection."""

from core.edits.compare import what_if
from core.edits.detect import was_edited
from core.edits.export import export_edited

__all__ = ["export_edited", "was_edited", "what_if"]
