"""How are numbers, tokens and heads written on a page?"""

import math


def three_digits(value: float) -> str:
    """Three significant digits."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(decimals, 9)}f}"


def percent(value: float) -> str:
    """A share as a percentage with up to three significant digits: 0.4786 is 47.9%."""
    if not math.isfinite(value):
        return "–"
    return f"{value * 100:.0f}%" if abs(value) >= 0.9995 or value == 0 else f"{three_digits(value * 100)}%"


def visible(token: str) -> str:
    """A token with its spaces and line breaks to be seen."""
    return token.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥") or "∅"


def code(token: str) -> str:
    """A token in monospace for Markdown."""
    return f"`{visible(token).replace('`', chr(0x2019))}`"


def head_name(layer: int, head: int) -> str:
    """A head as the papers write it: 4_2."""
    return f"{layer}_{head}"


def head_of(name: str) -> tuple[int, int]:
    """The layer and index of a head's name."""
    layer, head = name.split("_")
    return int(layer), int(head)


def minutes(seconds: float | None) -> str:
    """A time left in words."""
    return "estimating the time left" if seconds is None else f"{about(seconds)} left"


def about(seconds: float) -> str:
    """A time in words: about 40 s."""
    return f"about {max(1, round(seconds))} s" if seconds < 60 else f"about {round(seconds / 60)} min"


def listed(items: list[str]) -> str:
    """A list in words: a, b and c."""
    return items[0] if len(items) == 1 else ", ".join(items[:-1]) + " and " + items[-1] if items else ""
