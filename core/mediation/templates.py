"""Drafts of prompt pairs of every kind, before a model has checked them.

Kinds follow CMA (arXiv 2305.15054): two prompts with other operands, with other operands that give the same result,
with another operator; a question for the other of two given numbers; a fact about another subject; three operands.
Which wordings there are stands in `core.mediation.words`, which numbers in `core.mediation.operands`.

What we follow of the code of CMA's authors: with their templates the base prompt of number retrieval asks for the
first thing, the things are of two classes, and one thing is singular; the two prompts of three operands have the same
expression. Where we differ (*choices*): both operands differ, and results differ unless the kind is `same result`
(theirs may coincide by chance with GPT-J); their number words leave the template with signs out, ours have it; no
examples are put before a prompt (their default too, `n_shots: 0`); three operands have two results (they can have one
too); our wordings of number retrieval have numbers of 2 to 9 and ask for either thing.
"""

import random
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.mediation.groups import ASKED, FIRST, NUMBER_1, NUMBER_2, OPERATOR, OTHERS, SECOND, SUBJECT, THIRD, Span
from core.mediation.operands import LIMITS, by_result, in_both, pool, same_length, two_triples, two_triples_at_once
from core.mediation.tasks import Task
from core.mediation.words import COMMON_RELATIONS, ENTITIES, NAMES, RELATIONS, RETRIEVAL, THINGS, THREE, TWO
from core.prompts.arithmetic import LAST_TEMPLATE, compute
from core.prompts.number_words import words

_FIELD = re.compile(r"\{(\w+)\}|\[([^\]]+)\]")


@dataclass(frozen=True)
class Draft:
    """A question with its right answer; `spans` are its parts, each with the name of its position group."""

    text: str
    answer: str
    spans: tuple[Span, ...]


#: Draws one pair, or None where the draw does not make one.
Drafts = Callable[[random.Random], tuple[Draft, Draft] | None]


def drafts_of(task: Task) -> Drafts:
    """The function that draws pairs of a kind.

    Raises:
        UserError: for an unknown or empty choice.
    """
    task.check()
    draw: Callable[[random.Random, Task], tuple[Draft, Draft] | None] = {
        "other operands": _other_operands,
        "same result": _other_operands,
        "other operator": _other_operator,
        "number retrieval": _retrieval if task.template_set == "CNA" else _cma_retrieval,
        "facts": _facts,
        "three operands": _three,
    }[task.kind]
    return lambda rng: draw(rng, task)


def _filled(wording: str, parts: dict[str, tuple[str, str]], answer: str) -> Draft:
    """A wording with its parts (text, group) put in; a word in square brackets is an operator."""
    text, spans, done = "", [], 0
    for found in _FIELD.finditer(wording):
        text += wording[done : found.start()]
        name, operator = found.groups()
        part, group = (operator, OPERATOR) if operator else parts[name]
        spans.append((len(text), len(text) + len(part), group))
        text, done = text + part, found.end()
    return Draft(text + wording[done:], answer, tuple(span for span in spans if span[2] != OTHERS))


def _spelled(number: int, form: str) -> str:
    return str(number) if form == "digits" else words(number)


def _calculation(wording: str, form: str, numbers: Sequence[int], result: int) -> Draft:
    named = zip("abc", numbers, (FIRST, SECOND, THIRD), strict=False)
    parts = {field: (_spelled(number, form), group) for field, number, group in named}
    return _filled(wording, parts, _spelled(result, form))


def _other_operands(rng: random.Random, task: Task) -> tuple[Draft, Draft] | None:
    operation, digits = rng.choice(task.operations), rng.choice(task.digits)
    form, template = rng.choice(task.forms), rng.choice(task.rows)
    pairs = pool(operation, task.number_range, digits)
    base = rng.choice(pairs)
    result = compute(operation, *base)
    same = task.kind == "same result"
    other = rng.choice(by_result(operation, task.number_range, digits)[result] if same else pairs)
    other_result = compute(operation, *other)
    if base[0] == other[0] or base[1] == other[1] or (other_result == result) != same:
        return None
    if LIMITS[task.number_range].same_length and not same_length(base, other):
        return None
    wording = TWO[task.template_set][operation][template]
    return _calculation(wording, form, base, result), _calculation(wording, form, other, other_result)


def _other_operator(rng: random.Random, task: Task) -> tuple[Draft, Draft] | None:
    operations = rng.sample(task.operations, 2)
    digits, form, template = rng.choice(task.digits), rng.choice(task.forms), rng.choice(task.rows)
    if task.number_range == "by digits":
        numbers = rng.choice(pool(operations[0], task.number_range, digits))
        if numbers not in pool(operations[1], task.number_range, digits):
            return None
    else:  # few pairs suit two operations, and each two operations get their share
        numbers = rng.choice(in_both(operations[0], operations[1], task.number_range))
    base, other = (
        _calculation(TWO[task.template_set][operation][template], form, numbers, compute(operation, *numbers))
        for operation in operations
    )
    return None if base.answer == other.answer else (base, other)


def _retrieval(rng: random.Random, task: Task) -> tuple[Draft, Draft]:
    name, form, template = rng.choice(NAMES), rng.choice(task.forms), rng.choice(RETRIEVAL["CNA"])
    things = rng.sample(THINGS, 2)
    low, high = LIMITS[task.number_range].retrieved
    numbers = rng.sample([n for n in range(low, high + 1) if n != 1], 2)  # the things are plural
    asked = rng.sample((0, 1), 2)
    parts = {"name": (name, OTHERS)}
    base, other = (_question(template, parts, form, numbers, things, things[i], i) for i in asked)
    return base, other


def _cma_retrieval(rng: random.Random, task: Task) -> tuple[Draft, Draft]:
    form, template = rng.choice(task.forms), RETRIEVAL["CMA"][rng.choice(task.rows)]
    low, high = LIMITS[task.number_range].retrieved
    numbers = rng.sample(range(low, high + 1), 2)
    classes = rng.sample(sorted(ENTITIES), 2)
    entities = [rng.choice(sorted(ENTITIES[name].items())) for name in classes]
    things = [entity[number != 1] for entity, number in zip(entities, numbers, strict=True)]
    asked = classes if task.classes else things
    base, other = (_question(template, {}, form, numbers, things, asked[i], i) for i in (0, 1))
    return base, other


def _question(
    template: str,
    parts: dict[str, tuple[str, str]],
    form: str,
    numbers: Sequence[int],
    things: Sequence[str],
    asked: str,
    which: int,
) -> Draft:
    """Two numbers of things, and the question for one of them."""
    spelled = [_spelled(number, form) for number in numbers]
    given = {
        "x": (spelled[0], NUMBER_1),
        "things": (things[0], OTHERS),
        "y": (spelled[1], NUMBER_2),
        "others": (things[1], OTHERS),
        "asked": (asked, ASKED),
    }
    return _filled(template, {**parts, **given}, spelled[which])


def _facts(rng: random.Random, task: Task) -> tuple[Draft, Draft] | None:
    relation = RELATIONS[rng.choice(sorted(task.relations))]
    (base, answer), (other, other_answer) = rng.sample(sorted(relation.facts.items()), 2)
    if answer == other_answer:
        return None
    return (
        _filled(relation.wording, {"subject": (base, SUBJECT)}, answer),
        _filled(relation.wording, {"subject": (other, SUBJECT)}, other_answer),
    )


def every_fact(relations: Sequence[str] = COMMON_RELATIONS) -> list[Draft]:
    """All facts of some relations, in a fixed order."""
    return [
        _filled(relation.wording, {"subject": (subject, SUBJECT)}, answer)
        for name, relation in RELATIONS.items()
        for subject, answer in relation.facts.items()
        if name in relations
    ]


def retrieval_drafts(count: int, seed: int = 0) -> list[Draft]:
    """Different questions for one of two given numbers, the same for the same seed."""
    rng, task = random.Random(seed), Task("number retrieval")
    found: dict[str, Draft] = {}
    while len(found) < count:
        draft = _retrieval(rng, task)[0]
        found[draft.text] = draft
    return list(found.values())


def _three(rng: random.Random, task: Task) -> tuple[Draft, Draft] | None:
    ours = task.template_set == "CNA"
    every = THREE[task.template_set]
    three = rng.choice(every if ours else [every[row] for row in task.rows])
    form = rng.choice(task.forms)
    wording = three.wordings[1 if ours and rng.choice(task.rows) != LAST_TEMPLATE else 0]
    single = ours and task.number_range == "by digits"  # the draws of earlier versions, seed by seed
    draw = two_triples_at_once if single else two_triples
    found = draw(rng, three.expression, LIMITS[task.number_range])
    if found is None:
        return None
    base, other = (_calculation(wording, form, *each) for each in found)
    return base, other
