"""The measured quantity of causal mediation in words: indirect effect, or another one's change."""

from dataclasses import dataclass

from core.mediation.effect import INDIRECT_EFFECT, Average, PatchEffects
from core.mediation.measure import Mediation
from pages.mediation.charts import Kind
from pages.mediation.numbers import effect_text


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

    @property
    def kind(self) -> Kind:
        """How it is drawn."""
        return "ratio" if self.is_indirect_effect else "change"

    def column(self, average: Average) -> str:
        """The column of averages in tables; changes have one average, the mean."""
        return average if self.is_indirect_effect else "change"

    def averaged(self, average: Average) -> str:
        """The averaged effect with its unit."""
        if self.is_indirect_effect:
            return f"{self.effect} ({average})"
        return f"{self.effect} ({self.unit + ', ' if self.unit else ''}mean)"

    def in_words(self, value: float) -> str:
        """One effect with its sign and unit."""
        return effect_text(value) if self.is_indirect_effect else f"{effect_text(value)} {self.unit}".rstrip()


def shown_metric(effects: PatchEffects) -> ShownMetric:
    """What was measured of one pair."""
    return ShownMetric(effects.metric, effects.unit)


def metric_of(found: Mediation) -> ShownMetric:
    """What was measured of all pairs."""
    return shown_metric(next(iter(found.effects.values()))[0])
