"""The LoRA adapters that ship with a model: accuracy by layer, with Wilson's intervals (CNA §5, figure 2)."""

from dataclasses import dataclass
from pathlib import Path

from core.findings.figures import Figure, NotMeasurable, share_of
from core.lora.series import read_series, shipped_series
from core.model.load import LoadedModel
from core.reading import strict


@strict
@dataclass(frozen=True)
class AdapterAccuracy:
    """Accuracy on the test prompts with an adapter on one attention layer, and without.

    Attributes:
        layer: that it is on.
        accuracy: with it.
        base: without it.
        prompts: test prompts.
        finished: whether its training ran to the end.
        seed: of its training.
    """

    layer: int
    accuracy: Figure
    base: Figure
    prompts: int
    finished: bool
    seed: int


def measure_adapters(lm: LoadedModel, folder: Path | None) -> tuple[AdapterAccuracy, ...]:
    """What was measured of the adapters when they were trained; nothing is trained here.

    Args:
        lm: the model.
        folder: of the series; None: the one that ships with a bundled model.

    Raises:
        NotMeasurable: where there is no adapter of this model.
    """
    series = next(iter(shipped_series(lm)), None) if folder is None else read_series(lm, folder)
    if series is None or not series.adapters:
        raise NotMeasurable("No LoRA adapter ships beside this model.")
    return tuple(
        AdapterAccuracy(
            layer=about.layer,
            accuracy=_share(about.accuracy["all"], about.n_test["all"]),
            base=_share(about.base["all"], about.n_test["all"]),
            prompts=about.n_test["all"],
            finished=about.finished,
            seed=about.settings.seed,
        )
        for about in series.adapters
    )


def _share(accuracy: float, cases: int) -> Figure:
    return share_of(round(accuracy * cases), cases)
