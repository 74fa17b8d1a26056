"""Drafts of prompt pairs of every kind, before a model has checked them.

Kinds follow CMA (arXiv 2305.15054): two prompts with other operands, with other operands that give the same result,
with another operator; a question for the other of two given numbers; a fact about another subject; three operands.
*Choices*: both operands differ, given numbers run from 2 to 9, three operands from 1 to 9 with results of 0 to 99.
"""

import random
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from string import Formatter
from typing import Literal, get_args

from core.errors import UserError
from core.mediation.groups import ASKED, FIRST, NUMBER_1, NUMBER_2, OPERATOR, OTHERS, SECOND, SUBJECT, THIRD, Span
from core.mediation.words import FACTS, NAMES, OPERATOR_WORDS, THINGS, THREE
from core.prompts.arithmetic import FORMS, LAST_TEMPLATE, TEMPLATES, compute, operand_pairs
from core.prompts.number_words import words

PairKind = Literal["other operands", "same result", "other operator", "number retrieval", "facts", "three operands"]


PAIR_KINDS: tuple[PairKind, ...] = get_args(PairKind)


TWO_OPERANDS: tuple[PairKind, ...] = ("other operands", "same result", "other operator")


_RETRIEVAL = (
    "{name} has {x} {things} and {y} {others}. How many {asked} does {name} have?",
    "Q: {name} has {x} {things} and {y} {others}. How many {asked} does {name} have? A:",
)


@dataclass(frozen=True)
class Draft:
    """A question with its right answer; `spans` are its parts, each with the name of its position group."""

    text: str
    answer: str
    spans: tuple[Span, ...]


@dataclass(frozen=True)
class Task:
    """The settings of drafts; see `core.mediation.draw.draw_pairs`."""

    kind: str
    operations: tuple[str, ...]
    digits: tuple[int, ...]
    forms: tuple[str, ...]
    templates: tuple[int, ...]


#: Draws one pair, or None where the draw does not make one.
Drafts = Callable[[random.Random], tuple[Draft, Draft] | None]


def drafts_of(task: Task) -> Drafts:
    """The function that draws pairs of a kind.

    Raises:
        UserError: for an unknown or empty choice.
    """
    if task.kind not in PAIR_KINDS:
        raise UserError(f"There are no pairs of the kind {task.kind!r}: use one of {', '.join(PAIR_KINDS)}.")
    if not (task.forms and task.templates and (task.kind not in TWO_OPERANDS or (task.operations and task.digits))):
        raise UserError("Choose at least one operation, number of digits, form and template.")
    if unknown := [f for f in task.forms if f not in FORMS]:
        raise UserError(f"Form {unknown[0]!r} does not exist: use digits or words.")
    if absent := [t for t in task.templates if t not in range(4)]:
        raise UserError(f"Template {absent[0]} does not exist: table 14 has four, 0 to 3.")
    for operation in task.operations if task.kind in TWO_OPERANDS else ():
        for n in task.digits:
            operand_pairs(operation, n)
    if task.kind == "other operator" and len(set(task.operations)) < 2:
        raise UserError("Another operator needs at least two operations to choose from.")
    draw = {
        "other operands": _other_operands,
        "same result": _other_operands,
        "other operator": _other_operator,
        "number retrieval": _retrieval,
        "facts": _facts,
        "three operands": _three,
    }[task.kind]
    return lambda rng: draw(rng, task)


def _filled(template: str, parts: dict[str, tuple[str, str]], answer: str) -> Draft:
    """A template with its parts (text, group) put in."""
    text, spans = "", []
    for literal, field, _, _ in Formatter().parse(template):
        text += literal
        if field is not None:
            part, group = parts[field]
            spans.append((len(text), len(text) + len(part), group))
            text += part
    return Draft(text, answer, tuple(span for span in spans if span[2] != OTHERS))


def _spelled(number: int, form: str) -> str:
    return str(number) if form == "digits" else words(number)


def _arithmetic(operation: str, template: int, form: str, first: int, second: int) -> Draft:
    word = OPERATOR_WORDS[operation][template]
    text = TEMPLATES[operation][template].replace(word, "{o}", 1)  # type: ignore[index]
    parts = {"a": (_spelled(first, form), FIRST), "o": (word, OPERATOR), "b": (_spelled(second, form), SECOND)}
    return _filled(text, parts, _spelled(compute(operation, first, second), form))


@lru_cache(maxsize=64)
def _by_result(operation: str, digits: int) -> dict[int, list[tuple[int, int]]]:
    out: dict[int, list[tuple[int, int]]] = {}
    for a, b in operand_pairs(operation, digits):
        out.setdefault(compute(operation, a, b), []).append((a, b))
    return out


def _other_operands(rng: random.Random, task: Task) -> tuple[Draft, Draft] | None:
    operation, digits = rng.choice(task.operations), rng.choice(task.digits)
    form, template = rng.choice(task.forms), rng.choice(task.templates)
    base = rng.choice(operand_pairs(operation, digits))
    result = compute(operation, *base)
    same = task.kind == "same result"
    pool: Sequence[tuple[int, int]] = (
        _by_result(operation, digits)[result] if same else operand_pairs(operation, digits)
    )
    other = rng.choice(pool)
    if base[0] == other[0] or base[1] == other[1] or (compute(operation, *other) == result) != same:
        return None
    return _arithmetic(operation, template, form, *base), _arithmetic(operation, template, form, *other)


def _other_operator(rng: random.Random, task: Task) -> tuple[Draft, Draft] | None:
    operations = rng.sample(task.operations, 2)
    digits, form, template = rng.choice(task.digits), rng.choice(task.forms), rng.choice(task.templates)
    first, second = rng.choice(operand_pairs(operations[0], digits))
    if (first, second) not in operand_pairs(operations[1], digits):
        return None
    base, other = (_arithmetic(operation, template, form, first, second) for operation in operations)
    return None if base.answer == other.answer else (base, other)


def _retrieval(rng: random.Random, task: Task) -> tuple[Draft, Draft]:
    name, form, template = rng.choice(NAMES), rng.choice(task.forms), rng.choice(_RETRIEVAL)
    things = rng.sample(THINGS, 2)
    numbers = [_spelled(n, form) for n in rng.sample(range(2, 10), 2)]
    parts = {
        "name": (name, OTHERS),
        "x": (numbers[0], NUMBER_1),
        "things": (things[0], OTHERS),
        "y": (numbers[1], NUMBER_2),
        "others": (things[1], OTHERS),
    }
    asked = rng.sample((0, 1), 2)
    base, other = (_filled(template, {**parts, "asked": (things[i], ASKED)}, numbers[i]) for i in asked)
    return base, other


def _facts(rng: random.Random, task: Task) -> tuple[Draft, Draft] | None:
    template = rng.choice(sorted(FACTS))
    (base, answer), (other, other_answer) = rng.sample(sorted(FACTS[template].items()), 2)
    if answer == other_answer:
        return None
    return (
        _filled(template, {"subject": (base, SUBJECT)}, answer),
        _filled(template, {"subject": (other, SUBJECT)}, other_answer),
    )


def every_fact() -> list[Draft]:
    """All facts, in a fixed order."""
    return [
        _filled(template, {"subject": (subject, SUBJECT)}, answer)
        for template, ends in FACTS.items()
        for subject, answer in ends.items()
    ]


def retrieval_drafts(count: int, seed: int = 0) -> list[Draft]:
    """Different questions for one of two given numbers, the same for the same seed."""
    rng, task = random.Random(seed), Task("number retrieval", (), (), ("digits",), ())
    found: dict[str, Draft] = {}
    while len(found) < count:
        draft = _retrieval(rng, task)[0]
        found[draft.text] = draft
    return list(found.values())


def _three(rng: random.Random, task: Task) -> tuple[Draft, Draft] | None:
    signs, sentence, operators, value = rng.choice(THREE)
    form = rng.choice(task.forms)
    template = signs if rng.choice(task.templates) == LAST_TEMPLATE else sentence
    numbers = [tuple(rng.randint(1, 9) for _ in range(3)) for _ in range(2)]
    results = [value(*three) for three in numbers]
    if results[0] == results[1] or not all(0 <= r < 100 for r in results):
        return None
    if any(a == b for a, b in zip(*numbers, strict=True)):
        return None
    drafts = []
    for three, result in zip(numbers, results, strict=True):
        parts = {k: (_spelled(n, form), g) for k, n, g in zip("abc", three, (FIRST, SECOND, THIRD), strict=True)}
        names = zip(("o", "p"), operators[template == signs], strict=True)
        parts |= {field: (word, OPERATOR) for field, word in names}
        drafts.append(_filled(template, parts, _spelled(result, form)))
    return drafts[0], drafts[1]
