"""The result of a question as its words say it, read with the grammar of English: an oracle for the drafts' answers.

"the difference between 9 times 4 and 3" is a function of two, whose first part ends at its own "and"; between such
phrases stand plus, minus, times, over and their signs, from left to right.
"""

import re
from fractions import Fraction

from core.prompts.number_words import words

_OF_TWO = {"sum": "+", "difference": "-", "product": "*", "ratio": "/"}
_BETWEEN = {
    "plus": "+",
    "minus": "-",
    "times": "*",
    "over": "/",
    "divides": "/",
    "divided": "/",
    **{sign: sign for sign in "+-*/"},
}
_NUMBERS = {words(n): n for n in range(1001)}


def calculate(sign: str, first: Fraction, second: Fraction) -> Fraction:
    return {
        "+": lambda: first + second,
        "-": lambda: first - second,
        "*": lambda: first * second,
        "/": lambda: first / second,
    }[sign]()


def result_in_words(text: str) -> Fraction:
    """What a question asks for."""
    if "(" in text:
        return Fraction(eval(text.rstrip("= ")))
    text = text.replace("?", " ").replace("bu", "by").replace("Sum", "the sum of").replace("Q:", " ").replace("A:", " ")
    again = re.search(r"and multiply by (\S+)", text)
    told = text[: again.start()] if again else text
    told = re.sub(r"How much is|[Ww]hat is the result of|[Ww]hat is| is *$| = *$", " ", told)
    value, rest = _chain(told.split())
    assert not rest
    return value * int(again[1]) if again else value


def _chain(left: list[str]) -> tuple[Fraction, list[str]]:
    value, left = _one(left)
    while left and left[0] in _BETWEEN:
        sign = _BETWEEN[left[0]]
        left = left[1:] if left[1] != "by" else left[2:]
        other, left = _one(left)
        value = calculate(sign, value, other)
    return value, left


def _one(left: list[str]) -> tuple[Fraction, list[str]]:
    while left[0] in ("the", "The"):
        left = left[1:]
    if left[0] in _OF_TWO:
        sign = _OF_TWO[left[0]]
        assert left[1] in ("of", "between")
        first, left = _chain(left[2:])
        assert left[0] == "and"
        second, left = _chain(left[1:])
        return calculate(sign, first, second), left
    if left[0].isdecimal():
        return Fraction(int(left[0])), left[1:]
    longest = max(n for n in range(1, len(left) + 1) if " ".join(left[:n]) in _NUMBERS)
    return Fraction(_NUMBERS[" ".join(left[:longest])]), left[longest:]
