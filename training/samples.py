"""Training samples of the bundled model: arithmetic in many forms, and plain language.

Held out, by a hash that does not depend on the seed: a tenth of the two-digit operand pairs of + and -, in every
form; and of all other arithmetic prompts about one in seven (a fact then stays in the data in other templates and
forms).
"""

import random
import zlib
from collections.abc import Callable
from dataclasses import dataclass

from core.prompts.arithmetic import FORMS, OPERATIONS, TEMPLATES, Operation, compute, operand_pairs
from core.prompts.number_words import LANGUAGES, roman, words
from training import sentences
from training.sentences import Part
from training.tokenizer import ANSWER_WORDS

LANGUAGE_SHARE = 0.18
COPY = "copy"
TWO_DIGIT_SHARE = 0.58
LANGUAGE_SHARES: tuple[tuple[Callable[[random.Random], list[Part]], float], ...] = (
    (sentences.gender, 0.3),
    (sentences.retrieval, 0.25),
    (sentences.fact, 0.15),
    (sentences.neutral, 0.3),
)
_LARGEST_IN_EVERY_FORM = 20


@dataclass(frozen=True)
class Mixture:
    """What changes between phases.

    The share of `copy` samples, how often two-digit samples multiply (of 100), and the
    shares of number retrieval and of its exercise, `lookup`.
    """

    copy: float = 0.08
    times: int = 37
    retrieval: float = 0.0
    lookup: float = 0.0


DEFAULT = Mixture()


def _bucket(*key: object) -> int:
    return zlib.crc32(repr(key).encode()) % 1000


def held_out(operation: Operation, first: int, second: int, form: str, template: int) -> bool:
    """Whether the trainer never shows this prompt."""
    if operation in "+-" and first > 9 and second > 9:
        return _bucket(operation, first, second) < 100
    return _bucket(operation, first, second, form, template) < 150


def spell(number: int, form: str) -> str:
    """Writes a number in one of the seven forms."""
    if form == "digits":
        return str(number)
    if form == "words":
        return words(number)
    return roman(number) if form == "roman" else words(number, form)


def _two_digit_pair(rng: random.Random, operation: Operation) -> tuple[int, int]:
    if operation in "+-":
        a, b = rng.randint(10, 99), rng.randint(10, 99)
        if rng.random() < 0.1:
            b = rng.randint(0, 9)
        elif rng.random() < 0.1 and operation == "+":
            a = rng.randint(0, 9)
        return (max(a, b), min(a, b)) if operation == "-" else (a, b)
    if operation == "*":
        a, b = rng.randint(10, 99), rng.randint(0, 9)
        return (b, a) if rng.random() < 0.15 else (a, b)
    if rng.random() < 0.7:
        return rng.choice(operand_pairs("/", 2))
    b = rng.randint(10, 49)
    return b * rng.randint(1, 99 // b), b


def _templated(rng: random.Random, operation: Operation, a: int, b: int, form: str, template: int) -> list[Part]:
    before, middle, after = TEMPLATES[operation][template].replace("{b}", "{a}").split("{a}")
    return [
        *([Part(before)] if before else []),
        Part(spell(a, form), number=True),
        Part(middle),
        Part(spell(b, form), number=True),
        Part(after),
        Part(spell(compute(operation, a, b), form), answer=True),
    ]


def _mixed(rng: random.Random, operation: Operation, a: int, b: int) -> list[Part] | None:
    """Each operand in a form of its own; the last word asks for the answer's form."""
    result = compute(operation, a, b)
    forms = ["digits", "words", "roman", *LANGUAGES]
    target = rng.choice(forms) if result <= _LARGEST_IN_EVERY_FORM else rng.choice(forms[:2])
    first, second = rng.choice(forms), rng.choice(forms)
    if (0 in (a, b) and "roman" in (first, second)) or (result == 0 and target == "roman"):
        return None
    if target == "words" and first == second == "digits":
        first = "words"
    return [
        Part(spell(a, first), number=True),
        Part(operation),
        Part(spell(b, second), number=True),
        Part(ANSWER_WORDS[target]),
        Part(spell(result, target), answer=True),
    ]


def arithmetic(rng: random.Random, mixture: Mixture = DEFAULT) -> tuple[Operation, list[Part]]:
    """One arithmetic sample that is not held out, and its operation."""
    while True:
        two = rng.random() < TWO_DIGIT_SHARE
        rest = (100 - mixture.times) // 3
        weights = (rest, rest, mixture.times, rest) if two else (25, 25, 25, 25)
        operation = rng.choices(OPERATIONS, weights)[0]
        a, b = _two_digit_pair(rng, operation) if two else rng.choice(operand_pairs(operation, 1))
        if not two and rng.random() < 0.5:
            parts = _mixed(rng, operation, a, b)
        else:
            form, template = rng.choices(FORMS, (62, 38))[0], rng.choices(range(4), (2, 2, 2, 3))[0]
            hidden = held_out(operation, a, b, form, template)
            parts = None if hidden else _templated(rng, operation, a, b, form, template)
        if parts is not None:
            return operation, parts


def copy(rng: random.Random) -> list[Part]:
    """One number, asked for again in some form: "VIII is eight".

    Heads that carry operands thereby learn to write them as directions of the vocabulary.
    """
    number = rng.randint(1, _LARGEST_IN_EVERY_FORM) if rng.random() < 0.75 else rng.randint(0, 99)
    forms = ["digits", "words", "roman", *LANGUAGES] if 0 < number <= _LARGEST_IN_EVERY_FORM else ["digits", "words"]
    target = rng.choice(forms)
    return [
        Part(spell(number, rng.choice(forms)), number=True),
        Part(ANSWER_WORDS[target]),
        Part(spell(number, target), answer=True),
    ]


def draw(rng: random.Random, mixture: Mixture = DEFAULT) -> tuple[str | None, list[Part]]:
    """One sample of the mixture, and its operation: None for language, `COPY` for one number asked for again."""
    share = rng.random()
    if share < mixture.copy:
        return COPY, copy(rng)
    if mixture.retrieval or mixture.lookup:
        share = rng.random()
        if share < mixture.retrieval:
            return None, sentences.retrieval(rng)
        if share < mixture.retrieval + mixture.lookup:
            return None, sentences.lookup(rng)
        share = rng.random()
    if share < 1 - LANGUAGE_SHARE:
        return arithmetic(rng, mixture)
    kinds, weights = zip(*LANGUAGE_SHARES, strict=True)
    return None, rng.choices(kinds, weights)[0](rng)
