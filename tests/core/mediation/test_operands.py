"""Operands: the pools hold every pair that suits, and results are exact."""

import random
from fractions import Fraction
from itertools import product

import numpy as np
import pytest

from core.mediation.operands import (
    LIMITS,
    NUMBER_RANGES,
    Limits,
    all_differ,
    by_result,
    in_both,
    pool,
    results_of,
    same_length,
    two_triples,
    two_triples_at_once,
    within,
)
from core.mediation.words import THREE
from core.prompts.arithmetic import OPERATIONS, compute, operand_pairs
from tests.some import some

LARGEST = {"CMA, up to 300": 299, "CMA, one-digit results": 8}


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("numbers", LARGEST)
def test_pools_are_what_the_authors_draw_from(operation, numbers):
    """Their rule: any operands of 1 to 300 whose result is in range(1, max_n), by floating-point division."""
    found = pool(operation, numbers, 1)
    largest = range(1, LARGEST[numbers] + 1)
    signs = {"+": int.__add__, "-": int.__sub__, "*": int.__mul__, "/": int.__truediv__}
    every = product(range(1, 301), repeat=2)
    assert list(found) == [(a, b) for a, b in every if signs[operation](a, b) in largest]


@pytest.mark.parametrize("digits", [1, 2])
def test_the_range_of_digits_is_that_of_table_14(digits):
    assert NUMBER_RANGES[0] == "by digits"
    for operation in some(OPERATIONS):
        assert pool(operation, "by digits", digits) == operand_pairs(operation, digits)


def test_pairs_by_their_result():
    found = by_result("-", "CMA, one-digit results", 1)
    assert set(found) == set(range(1, 9))
    assert sum(map(len, found.values())) == len(pool("-", "CMA, one-digit results", 1))
    for result, pairs in some(found.items()):
        assert all(compute("-", *pair) == result for pair in some(pairs))


def test_pairs_that_suit_two_operations():
    found = in_both("*", "/", "CMA, up to 300")
    assert (300, 1) not in found  # the product is too large
    assert (24, 12) in found
    assert set(found) == set(pool("*", "CMA, up to 300", 1)) & set(pool("/", "CMA, up to 300", 1))


def results(expression, *numbers):
    values, whole = results_of(expression, np.array(numbers))
    return [int(value) if fits else None for value, fits in zip(values, whole, strict=True)]


def test_results_are_exact():
    assert results("a*(b/c)", (3, 5, 3), (3, 5, 2)) == [5, None]
    assert results("a/(b-c)", (3, 5, 5), (-6, 2, 5)) == [None, 2]
    assert results("a/b/c", (3, 5, 5), (50, 5, 5), (0, 1, 0)) == [None, 2, None]
    assert results("a-b+c", (3, 5, 7)) == [5]
    assert results("a/(b/c)", (3, 0, 7), (3, 1, 0)) == [None, None]


@pytest.mark.parametrize("three", THREE["CMA"], ids=lambda three: three.expression)
def test_results_are_those_of_fractions(three):
    every = list(product(range(1, 7), repeat=3))
    for numbers, result in some(zip(every, results(three.expression, *every), strict=True)):
        try:
            by_hand = eval(three.expression, dict(zip("abc", map(Fraction, numbers), strict=True)))
        except ZeroDivisionError:
            by_hand = Fraction(1, 2)
        assert result == (by_hand if by_hand.denominator == 1 else None)


def test_an_expression_holds_calculations_only():
    with pytest.raises(TypeError, match="neither"):
        results("a+2", (1, 2, 3))


@pytest.mark.parametrize("draw", [two_triples, two_triples_at_once])
def test_triples_suit_and_differ(draw):
    limits = LIMITS["CMA, one-digit results"] if draw is two_triples else LIMITS["by digits"]
    found = [draw(random.Random(seed), "a+b-c", limits) for seed in range(40)]
    for base, other in some(pair for pair in found if pair is not None):
        for (a, b, c), result in (base, other):
            assert a + b - c == result
            assert within(limits.results, result)
            assert all(within(limits.of_three, number) for number in (a, b, c))
        assert base[1] != other[1]
        assert all(x != y for x, y in some(zip(base[0], other[0], strict=True)))
        assert limits.same_length <= same_length(base[0], other[0])
    assert found == [draw(random.Random(seed), "a+b-c", limits) for seed in range(40)]
    assert (None in found) == (draw is two_triples_at_once)


def test_all_differ():
    limits = LIMITS["CMA, one-digit results"]
    first = ((1, 20, 3), 5)
    assert all_differ(first, ((2, 30, 4), 6), limits)
    for other in some([((2, 30, 4), 5), ((1, 30, 4), 6), ((2, 30, 3), 6), ((2, 3, 4), 6)]):
        assert not all_differ(first, other, limits)
    assert all_differ(first, ((2, 3, 4), 6), LIMITS["CMA, up to 300"])


def test_what_never_suits_is_given_up(monkeypatch):
    monkeypatch.setattr("core.mediation.operands._BLOCKS", (9, 9))
    assert two_triples(random.Random(0), "a*b*c", Limits(of_three=(3, 9), retrieved=(0, 1), results=(0, 8))) is None


def test_limits_hold_their_ends():
    assert within((1, 8), 1)
    assert within((1, 8), 8)
    assert not within((1, 8), 9)
