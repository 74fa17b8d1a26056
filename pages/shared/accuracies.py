"""A table of accuracies before and after an edit, each with its number of prompts."""

import pandas as pd

from pages.shared.words import of_n


def accuracies(original: dict[str, float], edited: dict[str, float], asked: dict[str, int]) -> pd.DataFrame:
    """Rows original, edited and change (percentage points), one column per group of prompts, as text."""
    rows = {
        "original": [of_n(original[name], asked[name]) for name in asked],
        "edited": [of_n(edited[name], asked[name]) for name in asked],
        "change": [points(edited[name] - original[name]) for name in asked],
    }
    return pd.DataFrame(rows, index=list(asked)).T


def points(change: float) -> str:
    """A change of a share in percentage points, with its sign."""
    if change != change:
        return "–"
    return f"{100 * change:+.1f} points".replace("-", "−") if abs(change) >= 0.0005 else "0 points"
