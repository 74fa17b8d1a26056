"""Concept tokens: the tokens that stand for numbers and operators, read off the tokenizer's own vocabulary.

Three lists, from the narrowest to the widest:

- *digits and operator signs*: 0 to 20 in digits and the signs. 15 to 25 tokens of Llama's vocabulary, which is what
  the counts of the paper's table 8 fit (its list is not printed).
- *all number words*: these, number words of five languages, ordinals, Roman numerals, and the words for operators
  that the paper's prompts use. It leaves out words that mean something else in English or in code (`OTHER_MEANING`,
  *choice*): where "NULL" counts as the German zero, the filter finds neurons of programs. "Six" and "zero" stay, for
  they are English numbers; so do "product" and "times", which the prompts use in no other sense.
- *every written form*: these words too, and digits up to 999. For vocabularies whose words mean numbers only. The
  shaped bundled model was trained and measured with it.

Digits end at 20 because some vocabularies have one token for each number up to 999: these alone would be most of the
list, and a filter that counts them would ask for large numbers rather than for arithmetic.

Matching ignores case and one leading space; a sign with a line end is layout and does not count. A token may stand in
several groups, and one without a space may also be part of a longer word ("ten" in "kitten"). Tokens of single bytes
are left out: SentencePiece writes "5" with a token of its own, not with `<0x35>`, and what byte-level vocabularies
show as "×" may be a byte within other characters.
"""

import re
from collections.abc import Iterable, Sequence
from functools import cache
from typing import Any
from weakref import WeakKeyDictionary

from core.errors import UserError
from core.model.load import LoadedModel
from core.prompts.number_words import LANGUAGES, ordinal, roman, words

SHORT_LIST = "digits and operator signs"

DEFAULT_LIST = "all number words"

EVERY_FORM = "every written form"

CONCEPT_LISTS = (SHORT_LIST, DEFAULT_LIST, EVERY_FORM)

LAST_DIGITS = 20

OPERATOR_SIGNS = frozenset("+ - * / = × ÷ −".split())


OPERATOR_WORDS = OPERATOR_SIGNS | frozenset(
    "plus minus times divides divided divide sum difference product ratio quotient add added adding "
    "addition subtract subtracted subtraction multiply multiplied multiplication division equals equal".split()
)


_JOINING = frozenset({"and", "et", "y", "e", "und"})


_TWO_LETTERS = frozenset(numeral for n in range(1, 41) if len(numeral := roman(n).lower()) <= 2)


#: What "all number words" leaves out: spelled like a number, but mostly read as something else.
OTHER_MEANING = (
    _TWO_LETTERS  # Roman I, V, X, II, IV, XL...: a pronoun, variables, initials, sizes, pieces of words
    | {"xxx"}  # Roman 30: a placeholder
    | {"null"}  # German 0: code
    | {"dos"}  # Spanish 2: an operating system, an attack
    | {"due", "elf", "once", "quince", "seize"}  # Italian 2, German 11, Spanish 11 and 15, French 16: English words
    | {"sept"}  # French 7: September
    | {"un", "sei"}  # French 1, Italian 6: an article, United Nations, a prefix; "you are"
)


_BYTE = re.compile("<0x[0-9A-F]{2}>")


@cache
def number_forms() -> dict[str, frozenset[str]]:
    """Every written form of a number, in lower case, by the way it is written."""
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
    """Every written form of a number, in lower case."""
    return frozenset().union(*number_forms().values())


@cache
def concept_forms(which: str = DEFAULT_LIST) -> dict[str, frozenset[str]]:
    """What a list counts, in lower case, by name of the group.

    Groups: digits, English words, ordinals, Roman numerals, one for each other language,
    operator signs, operator words; the short list has digits and operator signs only.

    Raises:
        UserError: for a list that does not exist.
    """
    if which not in CONCEPT_LISTS:
        raise UserError(f"There is no list of concepts {which!r}: use one of {', '.join(map(repr, CONCEPT_LISTS))}.")
    signs = {"operator signs": OPERATOR_SIGNS}
    if which == EVERY_FORM:
        return number_forms() | signs | {"operator words": OPERATOR_WORDS - OPERATOR_SIGNS}
    digits = {"digits": frozenset(str(n) for n in range(LAST_DIGITS + 1))}
    if which == SHORT_LIST:
        return digits | signs
    forms = {name: group - OTHER_MEANING for name, group in number_forms().items()}
    return forms | digits | signs | {"operator words": OPERATOR_WORDS - OPERATOR_SIGNS}


def concept_groups(lm: LoadedModel, which: str = DEFAULT_LIST) -> dict[str, list[int]]:
    """Ids of all tokens that a list counts, in order, by name of the group (`concept_forms`).

    Together they are `concept_tokens`.
    """
    spelled = _vocabulary(lm)
    return {
        name: sorted(i for form in group for i in spelled.get(form, ())) for name, group in concept_forms(which).items()
    }


def concept_tokens(lm: LoadedModel, which: str = DEFAULT_LIST) -> list[int]:
    """Ids of all tokens that a list counts, in order."""
    return sorted({i for group in concept_groups(lm, which).values() for i in group})


def chosen_concepts(lm: LoadedModel, chosen: Sequence[int] | str | None) -> list[int]:
    """Ids of the concept tokens, in order: those given, those of a list, or of `DEFAULT_LIST` for None.

    Raises:
        UserError: for no tokens, ids outside the vocabulary, or a list that does not exist.
    """
    named = DEFAULT_LIST if chosen is None else chosen
    ids = concept_tokens(lm, named) if isinstance(named, str) else sorted(set(named))
    if not ids and isinstance(named, str):
        raise UserError(f"No token of this model is in the list {named!r}: give token ids of your own.")
    if not ids or not all(0 <= i < lm.n_vocab for i in ids):
        raise UserError("The set of concept tokens is empty or holds ids outside the vocabulary.")
    return ids


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
    """Ids of the tokens by their text, in lower case and without one leading space; tabs and line ends stay."""
    size = min(lm.n_vocab, len(lm.tokenizer))
    kept = _SPELLED.get(lm.tokenizer)
    if kept is not None and kept[0] == size:
        return kept[1]
    spelled = _read(lm, size)
    _SPELLED[lm.tokenizer] = size, spelled
    return spelled


#: What `_vocabulary` read off each tokenizer, with the number of its tokens then.
_SPELLED: WeakKeyDictionary[Any, tuple[int, dict[str, list[int]]]] = WeakKeyDictionary()


def _read(lm: LoadedModel, size: int) -> dict[str, list[int]]:
    spelled: dict[str, list[int]] = {}
    for i in range(size):
        text = lm.token(i)
        if not _is_byte(lm, i, text):
            spelled.setdefault(text.removeprefix(" ").lower(), []).append(i)
    return spelled


def _is_byte(lm: LoadedModel, token_id: int, text: str) -> bool:
    """Whether a token is one byte, or a few that are no text: shown as letters, but not what a text is written with."""
    piece = lm.tokenizer.convert_ids_to_tokens(token_id) or ""
    return bool(_BYTE.fullmatch(piece)) or (not text.isascii() and "\ufffd" in lm.decode([token_id]))


def _pieces(spelled: Iterable[str]) -> set[str]:
    return {piece for text in spelled for piece in text.split()}
