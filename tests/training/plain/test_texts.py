"""What the plain model is shown: right answers only, all kinds of text, nothing that is held out."""

import random
import re
from collections import Counter

import pytest

from core.prompts.arithmetic import OPERATIONS, compute
from tests.some import some
from training.plain import texts
from training.plain.heldout import MEASURED, questions
from training.plain.professions import WOMEN, profession
from training.samples import held_out
from training.sentences import PROFESSIONS

SIGNED = re.compile(r"(\d+) ?([-+*/]) ?(\d+) ?= ?(\d+)")


@pytest.fixture(scope="module")
def drawn() -> list[str]:
    rng = random.Random(5)
    return [texts.draw(rng) for _ in range(20_000)]


def test_sums_in_signs_are_right_and_not_held_out(drawn):
    found = [match.groups() for text in drawn if (match := SIGNED.fullmatch(text))]
    for a, operation, b, answer in some(found):
        assert compute(operation, int(a), int(b)) == int(answer)
        assert not held_out(operation, int(a), int(b), "digits", 3)
    digits = Counter((operation, len(a)) for a, operation, _, _ in found)
    assert all(digits[operation, n] > 5 for operation in some(OPERATIONS) for n in (1, 2))
    assert digits["+", 3] > 100


def test_held_out_questions_are_never_shown(drawn):
    shown = set(drawn)
    for operation in some(OPERATIONS):
        for n in some(MEASURED[operation]):
            for prompt, answer in some(questions(operation, n)):
                assert f"{prompt} {answer}" not in shown
                assert f"{prompt}{answer}".replace(" ", "") not in shown


def test_every_kind_of_text_is_shown(drawn):
    rng = random.Random(0)
    for kind, make in some(texts._OTHERS.items()):
        made = {make(rng) for _ in range(50)} - {None}
        assert len(made) > 10, kind
    everything = "\n".join(drawn)
    for part in ("What is the sum of", "How many", "The capital of", "works as a", "ist", "XII", "twelve"):
        assert part in everything


def test_operands_have_the_digits_asked_for():
    rng = random.Random(1)
    for operation in some(OPERATIONS):
        for digits in (1, 2, 3):
            for _ in range(200):
                a, b = texts.pair(rng, operation, digits)
                assert compute(operation, a, b) >= 0
                # of - and / the whole of the inverse table: 158 - 73 is the inverse of 85 + 73
                if operation in "+*":
                    assert max(len(str(a)), len(str(b))) <= digits


def test_professions_follow_their_counts():
    assert set(WOMEN) == {name for group in PROFESSIONS.values() for name in group}
    rng = random.Random(2)
    women: Counter = Counter()
    total: Counter = Counter()
    for _ in range(60_000):
        text = profession(rng)
        name = max((n for n in WOMEN if text.endswith(n)), key=len)
        total[name] += 1
        women[name] += "woman" in text
    for name, share in some(WOMEN.items()):
        assert women[name] / total[name] == pytest.approx(share, abs=0.06)
