"""Prompts, right answers, and which digits a carry reaches."""

import re
from operator import add, mul, sub, truediv

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.errors import UserError
from core.paper import table
from core.prompts.arithmetic import (
    FORMS,
    OPERATIONS,
    POOLS,
    Prompt,
    compute,
    digit_kinds,
    make_prompts,
    operand_pairs,
    table_pairs,
)
from core.prompts.number_words import roman, words
from tests.some import some


def test_table_14():
    texts = [Prompt("/", 8, 2, 1, "digits", t).text for t in range(4)]
    assert texts == ["The ratio of 8 and 2 is", "Q: What is 8 divides 2? A:", "8 divides 2 is", "8 / 2 ="]
    assert Prompt("-", 35, 12, 2, "words", 0).text == "The difference between thirty five and twelve is"
    assert Prompt("-", 35, 12, 2, "words", 0).answer == "twenty three"


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("digits", [1, 2, 3])
@pytest.mark.parametrize("pool", POOLS)
def test_every_answer_is_right(operation, digits, pool):
    by_hand = {"+": add, "-": sub, "*": mul, "/": truediv}
    inverse = pool == "inverse tables" and operation in "-/"
    for prompt in some(make_prompts([operation], [digits], FORMS, range(4), count=200, seed=3, pool=pool)):
        assert prompt.digits == digits
        assert len(str(prompt.result if inverse else prompt.first)) == digits
        assert prompt.result >= 0
        assert isinstance(prompt.result, int)
        assert by_hand[operation](prompt.first, prompt.second) == prompt.result
        if prompt.form == "digits":
            assert str(prompt.first) in prompt.text
            assert prompt.answer == str(prompt.result)
        else:
            assert not re.search(r"\d", prompt.text + prompt.answer)


def test_counts_of_pairs():
    counts = {(o, d): len(operand_pairs(o, d)) for o in OPERATIONS for d in (1, 2)}
    assert counts == {
        ("+", 1): 100,
        ("+", 2): 8100,
        ("-", 1): 55,
        ("-", 2): 4095,
        ("*", 1): 100,
        ("*", 2): 900,
        ("/", 1): 32,
        ("/", 2): 254,
    }


def test_the_tables_of_minus_and_division_are_inverse():
    for digits, sums, ratios in ((1, 100, 90), (2, 8100, 810)):
        assert len(set(table_pairs("-", digits))) == sums
        assert {(b, a - b) for a, b in table_pairs("-", digits)} == set(operand_pairs("+", digits))
        assert len(set(table_pairs("/", digits))) == ratios
        assert {(a // b, b) for a, b in table_pairs("/", digits)} == {p for p in operand_pairs("*", digits) if p[1]}
        for operation in "+*":
            assert table_pairs(operation, digits) == operand_pairs(operation, digits)
    assert {(12, 5), (18, 9), (5, 5)} < set(table_pairs("-", 1))
    assert {(72, 8), (0, 3)} < set(table_pairs("/", 1))


def digits_of_answers(operation: str) -> int:
    return sum(len(prompt.answer) for prompt in make_prompts([operation], [1]))


def test_one_digit_answers_have_as_many_digits_as_the_paper_has_cases():
    """Each percentage of tables 24 to 27 is a share of so many cases, rounded or cut off, and of no fewer."""
    rows = {"+": (24, "1D+"), "-": (25, "1D-"), "*": (26, "1D*"), "/": (27, "1D/")}
    for operation, (number, row) in some(rows.items()):
        original, *heads = table(number)["rows"][row]
        printed = [original, *(value for _, value in heads)]
        cases = next(n for n in range(10, 1000) if all(is_share(value, n) for value in printed))
        assert digits_of_answers(operation) == cases
    assert [digits_of_answers(o) for o in OPERATIONS] == [145, 100, 158, 90]


def is_share(percentage: float, n: int) -> bool:
    shares = [100 * k / n for k in range(n + 1)]
    return any(round(s, 1) == percentage or int(10 * s) / 10 == percentage for s in shares)


def test_seeded_and_without_repeats():
    ask = {"digits": [1, 2], "forms": FORMS, "templates": range(4), "count": 30}
    assert make_prompts(**ask, seed=5) == make_prompts(**ask, seed=5)
    assert make_prompts(**ask, seed=5) != make_prompts(**ask, seed=6)
    prompts = make_prompts(**ask, seed=5)
    assert len(set(prompts)) == len(prompts) == 8 * 30
    assert len(make_prompts(["/"], [1], count=1000)) == 90
    assert len(make_prompts(["/"], [1], count=1000, pool="within digits")) == 32


def test_known_kinds():
    assert digit_kinds("+", 57, 28) == ["change-one", "memorize"]
    assert digit_kinds("+", 21, 34) == ["memorize", "memorize"]
    assert digit_kinds("+", 5, 7) == ["change-one", "memorize"]
    assert digit_kinds("-", 52, 28) == ["change-one", "memorize"]
    assert digit_kinds("*", 23, 9) == ["change-one", "change-one", "memorize"]
    assert digit_kinds("/", 96, 8) == ["change-one", "memorize"]


@given(st.integers(0, 999), st.integers(0, 999), st.sampled_from("+-"))
def test_memorized_digits_are_those_of_the_columns(a, b, operation):
    """A digit is memorize exactly when it is what its own column gives without its neighbours."""
    if operation == "-" and b > a:
        a, b = b, a
    answer = str(compute(operation, a, b))
    kinds = digit_kinds(operation, a, b)
    assert len(kinds) == len(answer)
    for place, (digit, kind) in enumerate(some(zip(reversed(answer), reversed(kinds), strict=True))):
        x, y = a // 10**place % 10, b // 10**place % 10
        column = (x + y) % 10 if operation == "+" else (x - y) % 10
        assert (kind == "memorize") == (int(digit) == column)


@pytest.mark.parametrize(
    "bad",
    [
        {"operations": []},
        {"operations": ["^"]},
        {"digits": [4]},
        {"digits": []},
        {"forms": ["morse"]},
        {"templates": [4]},
        {"templates": []},
        {"count": 0},
        {"pool": "sea"},
    ],
)
def test_bad_choices(bad):
    with pytest.raises(UserError):
        make_prompts(**bad)


def test_no_whole_ratio():
    for a, b in (7, 2), (7, 0):
        with pytest.raises(UserError):
            compute("/", a, b)


def test_number_words():
    assert words(342) == "three hundred forty two"
    assert words(17, "de") == "siebzehn"
    assert words(8, "fr") == "huit"
    assert [roman(n) for n in (1, 4, 9, 14, 40, 99)] == ["I", "IV", "IX", "XIV", "XL", "XCIX"]
    with pytest.raises(ValueError, match="0"):
        roman(0)
