"""Settings of the page's questions: each is the key of its job, and what the link and the downloads keep."""

from dataclasses import dataclass

from core.lora.report import SHARE, TOP, TWO_DIGIT
from core.lora.settings import LoraSettings
from core.types import Neuron
from pages.shared.settings import Settings, in_link


@dataclass(frozen=True)
class FindSettings(Settings):
    """Which deep neurons differ between the base model and an adapter."""

    digest: str  # of the adapter's files
    layer: int = in_link("prune_adapter")
    from_layer: int = in_link("prune_from")
    n: int = in_link("prune_top", TOP, int)
    n_two_digit: int = in_link("prune_cases", TWO_DIGIT)


@dataclass(frozen=True)
class TrainSettings(Settings):
    """Two trainings on a share of them."""

    layer: int
    from_layer: int
    kept: tuple[Neuron, ...]
    training: LoraSettings
    share: float = in_link("prune_share", SHARE)
