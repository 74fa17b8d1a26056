"""One column of the page: pairs of one kind with what was measured, in the model or in one with random weights."""

from dataclasses import asdict, dataclass
from typing import Any

import pandas as pd

from core.mediation.groups import Grouping
from core.mediation.study import DrawnPairs, MeasuredPairs

RANDOM = "random weights"


@dataclass(frozen=True)
class Task:
    """Pairs of one kind with what was measured."""

    measured: MeasuredPairs
    grouping: Grouping = "roles"

    @property
    def table(self) -> pd.DataFrame:
        """The averages with positions grouped as the page shows them."""
        return self.measured.table_by(self.grouping)

    @property
    def kind(self) -> str:
        """The kind of pair."""
        settings = self.measured.settings
        return settings.kind if isinstance(settings, DrawnPairs) else "your prompts"

    @property
    def is_control(self) -> bool:
        """Whether the model had random weights."""
        return self.measured.control is not None

    @property
    def name(self) -> str:
        """What the page calls it."""
        return RANDOM if self.is_control else self.kind

    @property
    def settings(self) -> dict[str, Any]:
        """What was asked, for downloads."""
        asked = asdict(self.measured.settings)
        return {**asked, "random weights, seed": self.measured.control} if self.is_control else asked
