"""Concept tokens: the tokens that stand for numbers and operators, read off the tokenizer's own vocabulary.

Numbers: digits, English words, ordinals, Roman numerals, and words of other languages;
operators: signs and their words. Matching ignores case and a leading space. Tokens that
mean something else too ("I", "six" in French) count (*choice*), and a token may stand in
several groups.
"""

from collections.abc import Iterable, Sequence
from functools import cache

from core.errors import UserError
from core.model.load import LoadedModel
from core.prompts.number_words import LANGUAGES, ordinal, roman, words

OPERATOR_SIGNS = frozenset("+ - * / = × ÷ −".split())


OPERATOR_WORDS = OPERATOR_SIGNS | frozenset(
    "plus minus times divides divided divide sum difference product ratio quotient add added adding "
    "addition subtract subtracted subtraction multiply multiplied multiplication division equals equal".split()
)


_JOINING = frozenset({"and", "et", "y", "e", "und"})


@cache
def number_forms() -> dict[str, frozenset[str]]:
    """Every written form of a number that counts, in lower case, by the way it is written."""
    forms = {
        "digits": {str(n) for n in range(1000)},
        "English words": _pieces(words(n) for n in range(101)) | {"hundred", "thousand", "million"},
        "ordinals": {ordinal(n).split()[-1] for n in range(1, 101)},
        "Roman numerals": {roman(n).lower() for n in range(1, 41)},
    }
    for language, name in LANGUAGES.items():
        forms[f"{name} words"] = _pieces(words(n, language) for n in range(31))
    return {name: frozenset(group - _JOINING) for name, group in forms.items()}


def number_words() -> frozenset[str]:
    """Every written form of a number that counts, in lower case."""
    return frozenset().union(*number_forms().values())


def concept_groups(lm: LoadedModel) -> dict[str, list[int]]:
    """Ids of all tokens that stand for a number or operator, in order, by name of the group.

    Groups: digits, English words, ordinals, Roman numerals, one for each other language,
    operator signs, operator words. Together they are `concept_tokens`.
    """
    forms = number_forms() | {"operator signs": OPERATOR_SIGNS, "operator words": OPERATOR_WORDS - OPERATOR_SIGNS}
    spelled = _vocabulary(lm)
    return {name: sorted(i for form in group for i in spelled.get(form, ())) for name, group in forms.items()}


def concept_tokens(lm: LoadedModel) -> list[int]:
    """Ids of all tokens that stand for a number or operator, in order."""
    return sorted({i for group in concept_groups(lm).values() for i in group})


def concept_ids(lm: LoadedModel, chosen: Sequence[str]) -> list[int]:
    """Ids of all tokens that are one of the words, in order; case and a leading space do not matter.

    Args:
        lm: the model.
        chosen: for example "eight", "+", "VIII".

    Raises:
        UserError: for no words, or naming those that are not a single token of this model.
    """
    asked = list(dict.fromkeys(word.strip() for word in chosen if word.strip()))
    if not asked:
        raise UserError("The set of concepts is empty. Write at least one word or sign, such as eight or +")
    spelled = _vocabulary(lm)
    if absent := [word for word in asked if word.lower() not in spelled]:
        some = ", ".join(repr(word) for word in absent[:10]) + (" and more" if len(absent) > 10 else "")
        raise UserError(
            f"{some}: no single token of this model. Only whole tokens can be counted: "
            "leave these out, or write them as this model's tokenizer splits them."
        )
    return sorted({i for word in asked for i in spelled[word.lower()]})


def word_tokens(lm: LoadedModel, word: str) -> list[int]:
    """Ids of the tokens that are this word, with or without a leading space, in order.

    Written with the same capitals if there is such a token, otherwise with any.

    Raises:
        UserError: for no word, one the model does not know, or one of several tokens, naming the first pieces.
    """
    wanted = word.strip()
    if not wanted:
        raise UserError("There is no word to look for. Type one such as eight")
    found = _vocabulary(lm).get(wanted.lower(), [])
    if not found:
        raise UserError(_why_no_token(lm, wanted))
    return [i for i in found if lm.token(i).strip() == wanted] or found


def _why_no_token(lm: LoadedModel, word: str) -> str:
    pieces, word = lm.encode_answer(word), word if len(word) <= 40 else word[:40] + "..."
    if not pieces or lm.tokenizer.unk_token_id in pieces or any(i >= lm.n_vocab for i in pieces):
        return f"The model does not know {word!r}. Look for another word, such as eight"
    some = ", ".join(repr(lm.token(i)) for i in pieces[:3]) + (" ..." if len(pieces) > 3 else "")
    return f"{word!r} is several tokens of this model: {some}. Look for one of these, or for a shorter word."


def _vocabulary(lm: LoadedModel) -> dict[str, list[int]]:
    """Ids of the tokens by their text, in lower case and without spaces around."""
    spelled: dict[str, list[int]] = {}
    for i in range(min(lm.n_vocab, len(lm.tokenizer))):
        spelled.setdefault(lm.token(i).strip().lower(), []).append(i)
    return spelled


def _pieces(spelled: Iterable[str]) -> set[str]:
    return {piece for text in spelled for piece in text.split()}
