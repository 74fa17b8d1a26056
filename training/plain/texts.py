"""Texts of the plain model: arithmetic in the wordings of both papers, and plain language; nothing else is told to it.

A text is one line, a question with its answer or a sentence. All of its tokens are predicted alike.

Held out, so that accuracies are not of memory (`training.samples.held_out`): a tenth of the operand pairs of + and -
with two or more digits, in every wording; of all other arithmetic prompts about one in seven.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from core.mediation.tasks import Task
from core.mediation.templates import Draft, drafts_of
from core.mediation.words import ENTITIES, RELATIONS, THINGS, TWO
from core.prompts.arithmetic import FORMS, OPERATIONS, TEMPLATES, Operation, compute
from core.prompts.number_words import LANGUAGES
from training import sentences
from training.plain.professions import profession
from training.samples import ANSWER_WORDS, held_out, spell


@dataclass(frozen=True)
class Mixture:
    """Shares of the kinds of text, and of 1, 2 and 3 digits of the first operand by operation.

    * and / of three digits are rare, since two are asked of the model.
    """

    kinds: dict[str, float]
    digits: dict[Operation, tuple[int, int, int]]


FIRST = Mixture(
    {
        "two operands": 0.58,
        "languages": 0.03,
        "three operands": 0.05,
        "retrieval": 0.10,
        "counts": 0.12,
        "facts": 0.03,
        "professions": 0.03,
        "sentences": 0.06,
    },
    {"+": (12, 44, 44), "-": (12, 48, 40), "*": (15, 80, 5), "/": (15, 80, 5)},
)
#: Number retrieval is not learnt of the first mixture: in the second, texts are also lists or said twice.
SECOND = Mixture(
    {
        "two operands": 0.55,
        "languages": 0.02,
        "three operands": 0.05,
        "retrieval": 0.11,
        "counts": 0.10,
        "lists": 0.05,
        "repeats": 0.05,
        "facts": 0.02,
        "professions": 0.02,
        "sentences": 0.03,
    },
    {"+": (10, 45, 45), "-": (10, 50, 40), "*": (8, 89, 3), "/": (8, 89, 3)},
)
#: Of the prompts in signs, how many are written without spaces: "3+5=8".
DENSE = 0.2
IN_WORDS = 0.3
_LARGEST_IN_EVERY_LANGUAGE = 20
_THINGS = sorted({*THINGS, *sentences.THINGS, *(many for kind in ENTITIES.values() for many in kind.values())})


def draw(rng: random.Random, mixture: Mixture = SECOND) -> str:
    """One text."""
    kinds = list(mixture.kinds)
    while True:
        kind = rng.choices(kinds, list(mixture.kinds.values()))[0]
        text = _two_operands(rng, mixture) if kind == "two operands" else _OTHERS[kind](rng)
        if text is not None:
            return text


def pair(rng: random.Random, operation: Operation, digits: int) -> tuple[int, int]:
    """Operands of an operation whose table has first factors or terms of so many digits."""
    low, high = (10 ** (digits - 1) if digits > 1 else 0), 10**digits - 1
    a = rng.randint(low, high)
    if operation in "+-":
        b = rng.randint(low, high) if rng.random() < 0.8 else rng.randint(0, high)
        if operation == "+":
            return (a, b) if rng.random() < 0.9 else (b, a)
        return (a + b, b) if rng.random() < 0.5 else (max(a, b), min(a, b))
    b = rng.randint(0, 9)
    if operation == "*":
        return (a, b) if rng.random() < 0.85 else (b, a)
    b = b or rng.randint(1, 9)
    return (a * b, b) if rng.random() < 0.85 or a == 0 else (a * b, a)


def _two_operands(rng: random.Random, mixture: Mixture) -> str | None:
    operation = rng.choice(OPERATIONS)
    digits = rng.choices((1, 2, 3), mixture.digits[operation])[0]
    a, b = pair(rng, operation, digits)
    form = rng.choices(FORMS, (1 - IN_WORDS, IN_WORDS))[0]
    if rng.random() < 0.6:
        template = rng.choices(range(4), (2, 2, 2, 4))[0]
        if held_out(operation, a, b, form, template):
            return None
        text = TEMPLATES[operation][template].format(a=spell(a, form), b=spell(b, form))
        signs = template == len(TEMPLATES[operation]) - 1
    else:
        wordings = TWO["CMA"][operation]
        wording = rng.choice(wordings[:-1])  # the last one is in signs too
        if any(held_out(operation, a, b, form, t) for t in range(4)):
            return None
        text = wording.replace("[", "").replace("]", "").format(a=spell(a, form), b=spell(b, form))
        signs = False
    answer = spell(compute(operation, a, b), form)
    if signs and form == "digits" and rng.random() < DENSE:
        return f"{text}{answer}".replace(" ", "")
    return f"{text} {answer}"


def _languages(rng: random.Random) -> str | None:
    """Operands in languages and Roman numerals; the last word asks for the answer's form."""
    operation = rng.choice(OPERATIONS)
    a, b = pair(rng, operation, 1)
    result = compute(operation, a, b)
    forms = ["digits", "words", "roman", *LANGUAGES]
    first, second = rng.choice(forms), rng.choice(forms)
    target = rng.choice(forms)
    if max(a, b, result) > _LARGEST_IN_EVERY_LANGUAGE or (0 in (a, b, result) and "roman" in (first, second, target)):
        return None
    if first == second == target == "digits":  # a prompt like those that may be held out
        return None
    return f"{spell(a, first)} {operation} {spell(b, second)} {ANSWER_WORDS[target]} {spell(result, target)}"


def _drafted(*tasks: Task) -> Callable[[random.Random], str | None]:
    """One of a pair's two questions with its answer."""
    drawing = [drafts_of(task) for task in tasks]

    def drawn(rng: random.Random) -> str | None:
        found = rng.choice(drawing)(rng)
        return None if found is None else _text(found[0] if rng.random() < 0.5 else found[1])

    return drawn


def _text(draft: Draft) -> str:
    return f"{draft.text} {draft.answer}"


def _facts(rng: random.Random) -> str:
    if rng.random() < 0.5:
        begin, end = rng.choice(sentences.facts())
    else:
        relation = rng.choice(list(RELATIONS.values()))
        subject, end = rng.choice(list(relation.facts.items()))
        begin = relation.wording.format(subject=subject)
    return f"{begin} {end}"


def _counts(rng: random.Random) -> str:
    """Two to four things are counted, and asked for one after the other."""
    things = rng.sample(_THINGS, rng.randint(2, 4))
    form = rng.choices(FORMS, (1 - IN_WORDS, IN_WORDS))[0]
    counts = dict(zip(things, rng.sample(range(2, 21), len(things)), strict=True))
    told = " and ".join(f"{spell(count, form)} {thing}" for thing, count in counts.items())
    asks = rng.choice(("{} {}", "{}: {}", "How many {}? {}"))
    asked = " ".join(asks.format(t, spell(counts[t], form)) for t in rng.sample(things, len(things)))
    return f"{told}. {asked}"


def _lists(rng: random.Random) -> str:
    """Two to four things with their numbers, and again in another order."""
    things = rng.sample(_THINGS, rng.randint(2, 4))
    form = rng.choices(FORMS, (1 - IN_WORDS, IN_WORDS))[0]
    numbers = rng.sample(range(2, 21), len(things))
    lines = [f"{thing}: {spell(number, form)}" for thing, number in zip(things, numbers, strict=True)]
    return f"{', '.join(lines)}. {', '.join(rng.sample(lines, len(lines)))}"


def _repeats(rng: random.Random) -> str:
    """A sentence said twice."""
    text = _sentences(rng)
    return f"{text} {text}"


def _sentences(rng: random.Random) -> str:
    return " ".join(part.text for part in sentences.neutral(rng))


_BOTH_FORMS = ("digits", "words")
_OTHERS: dict[str, Callable[[random.Random], str | None]] = {
    "languages": _languages,
    "three operands": _drafted(
        Task("three operands", forms=_BOTH_FORMS, templates=(0, 1, 2, 3)),
        Task("three operands", forms=_BOTH_FORMS, template_set="CMA"),
    ),
    "retrieval": _drafted(
        Task("number retrieval", forms=_BOTH_FORMS, templates=(0, 1, 2, 3)),
        Task("number retrieval", forms=_BOTH_FORMS, template_set="CMA"),
        Task("number retrieval", forms=_BOTH_FORMS, template_set="CMA", classes=True),
    ),
    "counts": _counts,
    "lists": _lists,
    "repeats": _repeats,
    "facts": _facts,
    "professions": profession,
    "sentences": _sentences,
}
