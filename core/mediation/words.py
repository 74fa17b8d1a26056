"""Wordings of prompt pairs in the two template sets, with names, things and facts; the model decides which it knows.

`CNA`: the four templates of table 14 of the CNA paper, and wordings of our own for three operands and number
retrieval. `CMA`: what stands in the repository of CMA's authors (alestolfo/lm-arithmetic), word for word: six templates
for two operands, 29 for three ("bu" and the small "what" are theirs too; the blank at the end of a question is left
out, since the answer's own blank follows it), eight for number retrieval, and its things in classes, with capitals.

Facts are our own, since the data set of the authors (LAMA) is not part of their repository; `LAMA_RELATIONS` says which
of ours are relations that they use.

In a wording, `{a}` is a part to fill in and `[plus]` an operator.
"""

import json
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, get_args

from core.prompts.arithmetic import TEMPLATES, Operation

TemplateSet = Literal["CNA", "CMA"]


TEMPLATE_SETS: tuple[TemplateSet, ...] = get_args(TemplateSet)


#: The word that names the operation in each template of `core.prompts.arithmetic`.
OPERATOR_WORDS: dict[str, tuple[str, str, str, str]] = {
    "+": ("sum", "plus", "plus", "+"),
    "-": ("difference", "minus", "minus", "-"),
    "*": ("product", "times", "times", "*"),
    "/": ("ratio", "divides", "divides", "/"),
}


@dataclass(frozen=True)
class Three:
    """A calculation with three operands, a, b and c; our own are written in signs and as a sentence."""

    expression: str
    wordings: tuple[str, ...]


@dataclass(frozen=True)
class Relation:
    """Facts of one kind: the beginning of a sentence about a subject, and how it ends for each subject."""

    wording: str
    facts: dict[str, str]


def _read(name: str) -> dict[str, Any]:
    return json.loads((Path(__file__).parent / name).read_text(encoding="utf-8"))


def _table_14(operation: Operation) -> tuple[str, ...]:
    pairs = zip(TEMPLATES[operation], OPERATOR_WORDS[operation], strict=True)
    return tuple(template.replace(word, f"[{word}]", 1) for template, word in pairs)


_CMA = _read("cma.json")


#: Wordings of two operands by set and operation.
TWO: dict[str, dict[str, tuple[str, ...]]] = {
    "CNA": {operation: _table_14(operation) for operation in TEMPLATES},
    "CMA": {operation: tuple(wordings) for operation, wordings in _CMA["two operands"].items()},
}


#: Calculations with three operands by set.
THREE: dict[str, tuple[Three, ...]] = {
    "CNA": (
        Three("(a+b)*c", ("({a} [+] {b}) [*] {c} =", "The [product] of the [sum] of {a} and {b} and {c} is")),
        Three(
            "(a-b)*c", ("({a} [-] {b}) [*] {c} =", "The [product] of the [difference] between {a} and {b} and {c} is")
        ),
        Three("a+b+c", ("{a} [+] {b} [+] {c} =", "The [sum] of the [sum] of {a} and {b} and {c} is")),
        Three("a+b-c", ("{a} [+] {b} [-] {c} =", "The [difference] between the [sum] of {a} and {b} and {c} is")),
    ),
    "CMA": tuple(Three(expression, (wording,)) for expression, wording in _CMA["three operands"].items()),
}


#: Number retrieval by set: two numbers with their things, and one that is asked for.
RETRIEVAL: dict[str, tuple[str, ...]] = {
    "CNA": (
        "{name} has {x} {things} and {y} {others}. How many {asked} does {name} have?",
        "Q: {name} has {x} {things} and {y} {others}. How many {asked} does {name} have? A:",
    ),
    "CMA": tuple(_CMA["number retrieval"]),
}


NAMES = "Paul Mary Tom Anna Peter Lucy Emma Ben Adam Alice Simon Laura Martin Daniel Helen".split()


THINGS = """pens cups books chairs tables lamps boxes bags bottles plates knives forks spoons keys clocks coins balls
hats coats shoes shirts rings apples pears plums oranges lemons bananas cherries carrots eggs nuts""".split()


#: Things of CMA by class: singular and plural.
ENTITIES: dict[str, dict[str, str]] = _CMA["entities"]


_FACTS = _read("facts.json")["relations"]


#: Facts by relation.
RELATIONS: dict[str, Relation] = {
    name: Relation(relation["wording"], relation["facts"]) for name, relation in _FACTS.items()
}


#: Relations that small models know too: what is asked when none is chosen.
COMMON_RELATIONS = ("capital", "color", "language", "opposite")


#: The relations that CMA's authors use, by their names in LAMA.
LAMA_RELATIONS: dict[str, str] = {relation["lama"]: name for name, relation in _FACTS.items() if relation["lama"]}
