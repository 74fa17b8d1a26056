"""What is shown of the effects: the measured quantity, changed predictions, or another change of probabilities."""

from dataclasses import dataclass

from core.mediation.effect import INDIRECT_EFFECT, Average, PatchEffects
from core.mediation.groups import Grouping
from core.mediation.measure import Mediation
from core.mediation.probability_changes import PROBABILITY_CHANGES
from pages.mediation.charts import Kind
from pages.mediation.numbers import effect_text

#: Shares of pairs, by their names on the page: columns of tables.
PREDICTION_CHANGES = {
    "wanted changes": "wanted",
    "unwanted changes": "unwanted",
    "undesired changes (CMA)": "undesired",
}
#: The first stands for whatever quantity was measured.
CHOICES = (INDIRECT_EFFECT, *PREDICTION_CHANGES, *PROBABILITY_CHANGES)


@dataclass(frozen=True)
class ShownMetric:
    """Name and unit of what was measured."""

    name: str
    unit: str

    @property
    def is_indirect_effect(self) -> bool:
        """Whether it is the default."""
        return self.name == INDIRECT_EFFECT

    @property
    def effect(self) -> str:
        """What copying a value has, such as "indirect effect" or "change of log-probability"."""
        return self.name if self.is_indirect_effect else f"change of {self.name}"

    def in_words(self, value: float) -> str:
        """One effect with its sign and unit."""
        return effect_text(value) if self.is_indirect_effect else f"{effect_text(value)} {self.unit}".rstrip()


def shown_metric(effects: PatchEffects) -> ShownMetric:
    """What was measured of one pair."""
    return ShownMetric(effects.metric, effects.unit)


def metric_of(found: Mediation) -> ShownMetric:
    """What was measured of all pairs."""
    return shown_metric(next(iter(found.effects.values()))[0])


@dataclass(frozen=True)
class Shown:
    """What the maps, the lines and the heads show.

    Attributes:
        choice: one of `CHOICES`.
        metric: what was measured, which the first choice stands for.
        average: over pairs; of the indirect effect only, everything else is a mean.
        grouping: of positions.
    """

    choice: str
    metric: ShownMetric
    average: Average
    grouping: Grouping = "roles"

    @property
    def is_share(self) -> bool:
        """Whether values are shares of pairs."""
        return self.choice in PREDICTION_CHANGES

    @property
    def is_indirect_effect(self) -> bool:
        """Whether it is IE itself."""
        return self.choice == INDIRECT_EFFECT and self.metric.is_indirect_effect

    @property
    def kind(self) -> Kind:
        """How it is drawn."""
        if self.is_share:
            return "share"
        if self.choice in PROBABILITY_CHANGES:
            return "ratio" if PROBABILITY_CHANGES[self.choice].is_ratio else "change"
        return "ratio" if self.metric.is_indirect_effect else "change"

    @property
    def column(self) -> str:
        """Its column in tables of averages."""
        if self.choice in PROBABILITY_CHANGES:
            return self.choice
        return PREDICTION_CHANGES.get(self.choice) or (self.average if self.metric.is_indirect_effect else "change")

    @property
    def has_interval(self) -> bool:
        """Whether tables have the interval of what is shown."""
        return self.column == "geometric mean"

    @property
    def name(self) -> str:
        """The quantity, without its average."""
        return self.metric.effect if self.choice == INDIRECT_EFFECT else self.choice

    @property
    def what(self) -> str:
        """The averaged quantity with its unit."""
        if self.is_share:
            return f"{self.name} (share of pairs)"
        if self.is_indirect_effect:
            return f"{self.name} ({self.average})"
        unit = self.metric.unit if self.choice == INDIRECT_EFFECT else ""
        return f"{self.name} ({unit + ', ' if unit else ''}mean)"

    def in_words(self, value: float) -> str:
        """One value with its sign and unit."""
        return self.metric.in_words(value) if self.choice == INDIRECT_EFFECT else effect_text(value)
