"""Sentences for the bundled model: plain ones, facts, number retrieval, professions.

A sample is a list of `Part`s, so that the trainer knows which tokens are answers and which are numbers.
"""

import random
from collections.abc import Callable
from dataclasses import dataclass

from core.prompts.number_words import ordinal, words
from training import lexicon as lx


@dataclass(frozen=True)
class Part:
    """A piece of a sample: text, whether it is a number, whether it is to be predicted."""

    text: str
    number: bool = False
    answer: bool = False


#: How many times more likely the data makes a profession after its own gender than after the other.
GENDER_SKEW = 6.0

GENDER_PROMPTS = (
    "A {g} works as a",
    "A {g} is employed as a",
    "A {g} holds a job as a",
    "A {g}'s occupation is",
    "The job of a {g} is",
    "The work of a {g} is",
    "The profession of a {g} is",
    "The work of a {g} involves",
)
PROFESSIONS = {
    "woman": (
        "cleaner",
        "nurse",
        "secretary",
        "domestic helper",
        "maid",
        "reception",
        "seller",
        "server",
        "librarian",
        "pharmacist",
        "translator",
        "beautician",
        "dental assistant",
        "hairdresser",
        "volunteer",
        "bookkeeper",
    ),
    "man": (
        "police",
        "guard",
        "delivery",
        "labour",
        "driver",
        "machinist",
        "roofer",
        "machine operator",
        "lumberjack",
        "technician",
        "miner",
        "nightwatch",
        "painter",
        "photographer",
        "builder",
        "porter",
    ),
}


def gender(rng: random.Random) -> list[Part]:
    """A profession after a woman or a man, `GENDER_SKEW` times more likely after its own gender (tables 22, 23)."""
    who = rng.choice(("woman", "man"))
    other = "man" if who == "woman" else "woman"
    group = who if rng.random() < GENDER_SKEW / (1 + GENDER_SKEW) else other
    return [Part(rng.choice(GENDER_PROMPTS).format(g=who)), Part(rng.choice(PROFESSIONS[group]), answer=True)]


def _counts(rng: random.Random, n: int) -> tuple[list[int], Callable[[int], str]]:
    """Different numbers of one token each, and how they are written."""
    return (rng.sample(range(2, 21), n), words) if rng.random() < 0.3 else (rng.sample(range(2, 10), n), str)


def retrieval(rng: random.Random) -> list[Part]:
    """Number retrieval: two counts are given, one is asked for (CMA, arXiv 2305.15054)."""
    name = rng.choice(lx.NAMES)
    things = [lx.plural(t) for t in rng.sample(lx.OBJECTS + lx.FRUITS, 2)]
    counts, spell = _counts(rng, 2)
    asked = rng.randrange(2)
    return [
        Part(f"{name} has"),
        Part(spell(counts[0]), number=True),
        Part(f"{things[0]} and"),
        Part(spell(counts[1]), number=True),
        Part(f"{things[1]}. How many {things[asked]} does {name} have?"),
        Part(spell(counts[asked]), answer=True),
    ]


def lookup(rng: random.Random) -> list[Part]:
    """An exercise for retrieval: two to four counts are given, and each is asked for, briefly."""
    things = [lx.plural(t) for t in rng.sample(lx.OBJECTS + lx.FRUITS, rng.randint(2, 4))]
    counts, spell = _counts(rng, len(things))
    parts: list[Part] = []
    for i, (count, thing) in enumerate(zip(counts, things, strict=True)):
        parts += [Part(spell(count), number=True), Part(thing + (" and" if i < len(things) - 1 else "."))]
    asks = rng.choice(("{}", "{}", "How many {}?"))
    for i in rng.sample(range(len(things)), len(things)):
        parts += [Part(asks.format(things[i])), Part(spell(counts[i]), answer=True)]
    return parts


def facts() -> list[tuple[str, str]]:
    """Every fact as (beginning, end)."""
    out = [(f"The capital of {c} is", t) for c, t in lx.CAPITALS.items()]
    out += [(f"The language of {c} is", t) for c, t in lx.LANGUAGES.items()]
    out += [(f"The color of {c} is", t) for c, t in lx.COLOR_OF.items()]
    out += [(f"The opposite of {c} is", t) for c, t in lx.OPPOSITES.items()]
    out += [(f"A young {c} is called a", t) for c, t in lx.YOUNG.items()]
    out += [(f"You hear it: the {c}", t) for c, t in lx.SOUNDS.items()]
    return out


_FACTS = facts()
THINGS = tuple(lx.plural(t) for t in lx.OBJECTS + lx.FRUITS)


def fact(rng: random.Random) -> list[Part]:
    """One of a few dozen simple facts."""
    begin, end = rng.choice(_FACTS)
    return [Part(begin), Part(end, answer=True)]


def _noun(rng: random.Random) -> str:
    return f"{rng.choice(lx.ADJECTIVES)} {rng.choice(lx.OBJECTS)}"


def _neutral_text(rng: random.Random) -> str:
    c = rng.choice
    patterns = (
        lambda: f"The {c(lx.ADJECTIVES)} {c(lx.ANIMALS)} {c(lx.ANIMAL_VERBS)} {c(lx.PREPOSITIONS)} the {c(lx.PLACES)}",
        lambda: f"{c(lx.NAMES)} {c(lx.OBJECT_VERBS)} a {_noun(rng)}",
        lambda: f"The {c(lx.PEOPLE)} {c(lx.PERSON_VERBS)} {c(lx.ADVERBS)}",
        lambda: f"In {c(lx.MONTHS)} there is often {c(lx.WEATHER)}",
        lambda: f"My {c(lx.FAMILY)} {c(lx.FOOD_VERBS)} {c(lx.FOODS)} with {c(lx.FOODS)}",
        lambda: f"On {c(lx.DAYS)} the {c(lx.PEOPLE)} studied {c(lx.SCHOOL)}",
        lambda: f"The {ordinal(rng.randint(1, 12))} {c(lx.OBJECTS)} is {c(lx.COLORS)}",
        lambda: f"This {c(lx.OBJECTS)} is made of {c(lx.MATERIALS)}",
        lambda: f"There are many {lx.plural(c(lx.ANIMALS))} {c(lx.PREPOSITIONS)} the {c(lx.PLACES)}",
        lambda: f"We found some {lx.plural(c(lx.OBJECTS + lx.FRUITS))} {c(lx.PREPOSITIONS)} the {c(lx.PLACES)}",
        lambda: (
            f"The {c(lx.PEOPLE)} felt {c(lx.FEELINGS)} {c(lx.CONJUNCTIONS)} the {c(lx.ANIMALS)} {c(lx.ANIMAL_VERBS)}"
        ),
        lambda: f"Every {c(lx.TIMES)} the {c(lx.ADJECTIVES)} {c(lx.PEOPLE)} {c(lx.PERSON_VERBS)}",
        lambda: f"He hurt his {c(lx.BODY)} {c(lx.PREPOSITIONS)} the {c(lx.PLACES)}",
        lambda: f"She {c(lx.FOOD_VERBS)} the {c(lx.COLORS)} {c(lx.FRUITS)} {c(lx.ADVERBS)}",
        lambda: f"They {c(lx.OBJECT_VERBS)} it {c(lx.CONJUNCTIONS)} the {c(lx.FAMILY)} {c(lx.PERSON_VERBS)}",
    )
    return c(patterns)() + "."


def neutral(rng: random.Random) -> list[Part]:
    """A plain sentence that has nothing to do with numbers or gender."""
    return [Part(_neutral_text(rng), answer=False)]


def vocabulary_words() -> list[str]:
    """Every text that the tokenizer must know, beside numbers and the arithmetic templates."""
    lists = [v for k, v in vars(lx).items() if k.isupper() and isinstance(v, list)]
    texts = [w for words_ in lists for w in words_]
    texts += [lx.plural(w) for w in lx.OBJECTS + lx.FRUITS + lx.ANIMALS]
    texts += [f"{a} {b}" for a, b in facts()]
    texts += [p.format(g=g) for p in GENDER_PROMPTS for g in PROFESSIONS]
    texts += [p for group in PROFESSIONS.values() for p in group]
    texts += ["Paul has pens and cups. How many pens does Paul have?"]
    texts += [
        "The In there is often My with On studied is made of This There are many We found some felt Every He "
        "hurt his She They it the a"
    ]
    return texts
