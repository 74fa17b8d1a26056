"""Spellings of numbers: digits, English words, Roman numerals, other languages."""

from functools import lru_cache

from num2words import num2words

LANGUAGES = {"fr": "French", "de": "German", "it": "Italian", "es": "Spanish"}


_ROMAN = ((100, "C"), (90, "XC"), (50, "L"), (40, "XL"), (10, "X"), (9, "IX"), (5, "V"), (4, "IV"), (1, "I"))


@lru_cache(maxsize=8192)
def words(number: int, language: str = "en") -> str:
    """Spells a number, without hyphens or "and": `words(342) == "three hundred forty two"`."""
    spelled = num2words(number, lang=language).replace("-", " ").replace("\u00ad", "")
    return " ".join(part for part in spelled.split() if part != "and")


@lru_cache(maxsize=256)
def ordinal(number: int) -> str:
    """Spells an English ordinal: `ordinal(8) == "eighth"`."""
    return num2words(number, to="ordinal").replace("-", " ")


def roman(number: int) -> str:
    """Writes a number from 1 to 100 in Roman numerals."""
    if not 1 <= number <= 100:
        raise ValueError(f"Roman numerals here run from 1 to 100, not {number}")
    out = ""
    for value, sign in _ROMAN:
        while number >= value:
            out, number = out + sign, number - value
    return out
