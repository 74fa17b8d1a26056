"""Where a number ends in text: whether the token behind an answer makes it another number.

A model that goes on to "452" did not answer "45". *Choices*, for the text of the next token:

- behind digits it continues the number when it begins with a digit, or with a full stop or comma and a digit ("2",
  ".5", ",000"). A full stop or comma alone ends a sentence as often as it begins decimals, and a blank before the digit
  begins another number; neither continues it;
- behind number words it continues the number when its first word is a number word ("forty" and "two", "two" and
  "hundred"), when it begins with a hyphen ("forty" and "-two"), or when it completes another number word ("six" and
  "teen"). "and" alone does not.
"""

import re
from functools import lru_cache

from core.prompts.arithmetic import Form
from core.prompts.number_words import words

_DIGITS = re.compile(r"[.,]?\d")

_FIRST_WORD = re.compile(r"[^\W\d_]+")


@lru_cache(maxsize=1)
def _number_words() -> frozenset[str]:
    return frozenset({words(n) for n in (*range(21), *range(30, 100, 10))} | {"hundred", "thousand", "million"})


def continues(form: Form, answer: str, following: str) -> bool:
    """Whether the text of the next token makes another number of a whole answer.

    Args:
        form: of the answer.
        answer: its text.
        following: the next token's text, with its leading blank if it has one.
    """
    if form == "digits":
        return _DIGITS.match(following) is not None
    if following.startswith("-"):
        return True
    first = _FIRST_WORD.match(following.strip().lower())
    if first is None:
        return False
    if first[0] in _number_words():
        return True
    joined = answer.lower().split()[-1] + first[0]  # a tokenizer that splits words
    return not following[:1].isspace() and any(word.startswith(joined) for word in _number_words())


def number_form(answer: str) -> Form | None:
    """How an answer writes a number; None where it is not one."""
    if "".join(answer.split()).removeprefix("-").isdecimal():
        return "digits"
    parts = answer.removeprefix("minus ").lower().split()
    return "words" if parts and all(part in _number_words() for part in parts) else None
