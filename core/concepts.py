"""Which tokens stand for numbers and operators? Read off the tokenizer's own vocabulary.

Numbers: digits, English words, ordinals, Roman numerals, and words of other languages;
operators: signs and their words. Matching ignores case and a leading space. Tokens that
mean something else too ("I", "six" in French) count (*choice*).
"""

from functools import cache
from typing import TYPE_CHECKING

from core.numberwords import LANGUAGES, ordinal, roman, words

if TYPE_CHECKING:
    from core.model import LoadedModel

OPERATOR_WORDS = frozenset(
    "+ - * / = × ÷ − plus minus times divides divided divide sum difference product ratio quotient add added adding "
    "addition subtract subtracted subtraction multiply multiplied multiplication division equals equal".split()
)


@cache
def number_words() -> frozenset[str]:
    """Every written form of a number that counts, in lower case."""
    forms = {str(n) for n in range(1000)}
    forms |= {piece for n in range(101) for piece in words(n).split()} | {"hundred", "thousand", "million"}
    forms |= {piece for n in range(1, 101) for piece in ordinal(n).split()}
    forms |= {roman(n).lower() for n in range(1, 41)}
    for language in LANGUAGES:
        forms |= {piece for n in range(31) for piece in words(n, language).split()}
    return frozenset(forms - {"and", "et", "y", "e", "und"})


def concept_tokens(lm: "LoadedModel") -> list[int]:
    """Ids of all tokens that stand for a number or operator, in order."""
    wanted = number_words() | OPERATOR_WORDS
    return [i for i in range(min(lm.n_vocab, len(lm.tokenizer))) if lm.token(i).strip().lower() in wanted]
