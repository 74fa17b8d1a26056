"""What a sweep over all heads shows, in sentences: the head with the largest decrease, with its interval."""

from collections.abc import Callable

import pandas as pd

from core.metrics import Metric
from core.statistics.intervals import Estimate
from pages.shared.claims.estimates import share, with_interval
from pages.shared.words import from_to, head_of, of_n, percent, three_digits

#: The decrease without a head (layer, head).
Decrease = Callable[[int, int], Estimate]


def share_sentence(frame: pd.DataFrame, decrease: Decrease, measure: str, what: str, n: int) -> str:
    """Of accuracy or another share: the decrease is relative.

    Args:
        frame: of the heatmap: name, original, intervened, decrease.
        decrease: of a head, with its interval over prompts.
        measure: what was measured, in words.
        what: over which prompts.
        n: how many cases.
    """
    if not frame["decrease"].notna().any():
        return f"The model has none of {what} right ({n}), so there is nothing to decrease."
    best = frame.loc[frame["decrease"].idxmax()]
    strong = int((frame["decrease"] >= 0.1).sum())
    return (
        f"Without head **{best['name']}**, {measure} over {what} ({n}) falls {_falls(measure, best, n)}, "
        f"a relative decrease of {share(decrease(*head_of(best['name'])))}. "
        f"{strong} of {len(frame)} heads ({percent(strong / len(frame))}) decrease it by 10% or more."
    )


def difference_sentence(frame: pd.DataFrame, decrease: Decrease, metric: Metric, n: int) -> str:
    """Of a quantity that is no share: the decrease has its unit."""
    best = frame.loc[frame["decrease"].idxmax()]
    before, after = (three_digits(best[name]) for name in ("original", "intervened"))
    lost = with_interval(decrease(*head_of(best["name"])), three_digits, metric.unit)
    less = int((frame["decrease"] > 0).sum())
    return (
        f"Without head **{best['name']}**, the {metric.name} of the prediction over your prompts ({n}) changes from "
        f"{before} to {after} {metric.unit}, a decrease of {lost}. {less} of {len(frame)} heads decrease it."
    )


def _falls(measure: str, best: pd.Series, n: int) -> str:
    if measure == "accuracy":
        return f"from {of_n(best['original'], n)} to {percent(best['intervened'])}"
    return from_to(best["original"], best["intervened"])
