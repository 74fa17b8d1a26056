"""Effects in words; they may be tiny or have many digits."""

import math

from pages.shared.words import three_digits


def effect_text(value: float) -> str:
    """Three significant digits, from 100,000 on as a power of ten: 1.67e7."""
    if not math.isfinite(value) or abs(value) < 1e5:
        return three_digits(value)
    digits, power = f"{value:.2e}".split("e")
    return f"{digits}e{int(power)}"


def interval_text(low: float, high: float) -> str:
    """An interval of effects: 0.41 to 2.05."""
    return f"{effect_text(low)} to {effect_text(high)}"
