"""Numbers, tokens and heads as they are written on a page."""

import math
import re

_ROUNDING = 1e-10  # percent; what a computer's arithmetic does to a share


def three_digits(value: float) -> str:
    """Three significant digits; below a millionth with a power of ten, as in 1.20e-9."""
    if not math.isfinite(value):
        return "–"
    if value == 0:
        return "0"
    if abs(value) < 1e-6:
        return f"{value:.2e}"
    decimals = max(0, 2 - math.floor(math.log10(abs(value))))
    return f"{value:.{min(decimals, 9)}f}"


def percent(value: float, digits: int = 3) -> str:
    """A share as a percentage with three significant digits: 0.4786 is 47.9%.

    Only 1 is 100% and only 0 is 0%: near 1 as many decimals are shown as it takes to tell (99.97%, 100.02%), and
    what lies nearer than 0.001% to either is ">99.999%" or "<0.001%".

    Args:
        value: a share, or a change of one, which may be negative.
        digits: significant digits, and decimals of the smallest percentage that is written out.
    """
    if not math.isfinite(value):
        return "–"
    sign, size = ("-" if value < 0 else ""), abs(value) * 100
    below, above = ("<", ">") if value > 0 else (">", "<")
    least = 10.0**-digits  # in percent
    if size < _ROUNDING:
        return "0%"
    if abs(size - 100) < _ROUNDING:
        return f"{sign}100%"
    if size < least:
        return f"{below}{sign}{least:.{digits}f}%"
    if abs(size - 100) < least:
        return f"{above}{sign}100%" if size > 100 else f"{above}{sign}{100 - least:.{digits}f}%"
    decimals = max(0, digits - 1 - math.floor(math.log10(size)))
    if round(size, decimals) == 100:
        decimals = max(decimals, math.ceil(-math.log10(abs(size - 100))))
    if round(size, decimals) == 100:  # 99.996 with one decimal more than its distance to 100 has
        decimals += 1
    return f"{sign}{size:.{min(decimals, 9)}f}%"


def from_to(before: float, after: float) -> str:
    """Two shares in words, with as many digits as it takes to tell them apart."""
    for digits in range(3, 10):
        first, second = percent(before, digits), percent(after, digits)
        if first != second:
            return f"from {first} to {second}"
    return f"from {percent(before)} to {percent(after)}"


def of_n(share: float, n: int) -> str:
    """An accuracy with the number of prompts that it is about: 98% of 50."""
    return f"{percent(share)} of {n:,}"


def visible(token: str) -> str:
    """A token with its spaces and line breaks to be seen."""
    return token.replace(" ", "␣").replace("\n", "⏎").replace("\t", "⇥") or "∅"


def code(token: str) -> str:
    """A token in monospace for Markdown."""
    return f"`{visible(token).replace('`', chr(0x2019))}`"


def mono(text: str) -> str:
    """Text that a person typed, in monospace for Markdown: nothing in it is read as Markdown."""
    if not text.strip():
        return "`∅`"
    ends = ["␣" if text[end].isspace() else "" for end in (0, -1)]  # a space there is a token of its own
    return f"`{ends[0]}{' '.join(text.split()).replace('`', chr(0x2019))}{ends[1]}`"


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


def moved(share: float) -> str:
    """A relative change in words, by its sign: rise by 12.3%, fall by 4%, do not change."""
    if not math.isfinite(share) or share == 0:
        return "do not change" if share == 0 else "cannot be compared"
    return f"{'rise' if share > 0 else 'fall'} by {percent(abs(share))}"


#: Marks that Markdown (or Streamlit's dialect of it) reads anywhere in a line.
_MARKS = re.compile(
    r"[\\`$\[\]<~|]"  # code, formulas, links and directives, HTML, struck out, tables
    r"|(?<=\S)[*]|[*](?=\S)"  # stars that touch something
    r"|(?<![^\W_])_|_(?![^\W_])"  # underscores that do not stand within a word
    r"|&(?=#?\w+;)"
)
#: Marks that count at the beginning of a line: headings, quotes, lists, rules.
_LINE = re.compile(r"(?m)^[ \t]*(?:([#>+=-])|(\d+)([.)])(?=\s|$))")
#: :name: and :material/name: become pictures, whatever stands before the colon.
_PICTURE = re.compile(r":(?=[\w+/-]+(?::|\[))")
_JOINER = "\u2060"  # has no width and breaks no line


def plain(text: str) -> str:
    """Text that a person typed, for a place that shows Markdown: it is shown as it was typed, on lines of its own.

    Colons that would begin an emoji or icon are followed by a word joiner, because those are put in after escapes
    are resolved.
    """
    escaped = _MARKS.sub(lambda found: "\\" + found[0], text)
    escaped = _LINE.sub(lambda m: f"\\{m[1]}" if m[1] else f"{m[2]}\\{m[3]}", escaped)
    return _PICTURE.sub(":" + _JOINER, escaped)
