"""Operands of drawn prompts: which numbers are drawn, and what results they have.

Ranges of two operands:

* `by digits`: the pools of `core.prompts.arithmetic`, by the number of digits of the first operand.
* `CMA, up to 300`: the setting of CMA's authors for GPT-J and Pythia (max_n = 300): operands of 1 to 300 and results
  of 1 to 299.
* `CMA, one-digit results`: their setting for LLaMA and Goat (max_n = 9), whose tokenizer writes one token per digit:
  operands of 1 to 300 (three operands: 1 to 50) and results of 1 to 8; both prompts' operands have as many digits.

In both of theirs the end of the range is not itself a result, as in their code. Where we differ (*choices*): results
are exact fractions, not floating-point numbers, and every operand differs between the two prompts of a pair, so that
each operand's position carries a difference; their operands may coincide by chance.
"""

import ast
import random
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, get_args

import numpy as np
from jaxtyping import Bool, Int64

from core.prompts.arithmetic import compute, operand_pairs

NumberRange = Literal["by digits", "CMA, up to 300", "CMA, one-digit results"]


NUMBER_RANGES: tuple[NumberRange, ...] = get_args(NumberRange)


@dataclass(frozen=True)
class Limits:
    """Smallest and largest numbers, both included; `same_length`: both prompts' operands have as many digits."""

    of_three: tuple[int, int]
    retrieved: tuple[int, int]
    results: tuple[int, int]
    same_length: bool = False


#: What the operands of three and the given numbers of number retrieval are, and the results.
LIMITS: dict[str, Limits] = {
    "by digits": Limits(of_three=(1, 9), retrieved=(2, 9), results=(0, 99)),
    "CMA, up to 300": Limits(of_three=(1, 300), retrieved=(0, 300), results=(1, 299)),
    "CMA, one-digit results": Limits(of_three=(1, 50), retrieved=(0, 9), results=(1, 8), same_length=True),
}


#: Two operands, in both ranges of CMA.
_CMA_OPERANDS = range(1, 301)


@lru_cache(maxsize=32)
def pool(operation: str, numbers: str, digits: int) -> tuple[tuple[int, int], ...]:
    """All pairs of operands, in order; `digits` matters to the range of that name only."""
    if numbers == "by digits":
        return operand_pairs(operation, digits)
    pairs = ((a, b) for a in _CMA_OPERANDS for b in _CMA_OPERANDS if operation != "/" or a % b == 0)
    return tuple(pair for pair in pairs if within(LIMITS[numbers].results, compute(operation, *pair)))


@lru_cache(maxsize=64)
def by_result(operation: str, numbers: str, digits: int) -> dict[int, list[tuple[int, int]]]:
    """The same pairs, by their result."""
    out: dict[int, list[tuple[int, int]]] = {}
    for a, b in pool(operation, numbers, digits):
        out.setdefault(compute(operation, a, b), []).append((a, b))
    return out


@lru_cache(maxsize=32)
def in_both(first: str, second: str, numbers: str) -> tuple[tuple[int, int], ...]:
    """Pairs of operands that suit two operations, in order, for the ranges of CMA."""
    others = set(pool(second, numbers, 0))
    return tuple(pair for pair in pool(first, numbers, 0) if pair in others)


def within(limits: tuple[int, int], number: int) -> bool:
    """Whether a number lies between two limits or on one."""
    return limits[0] <= number <= limits[1]


@lru_cache(maxsize=64)
def _parsed(expression: str) -> ast.expr:
    return ast.parse(expression, mode="eval").body


def results_of(
    expression: str, numbers: Int64[np.ndarray, "triple 3"]
) -> tuple[Int64[np.ndarray, "triple"], Bool[np.ndarray, "triple"]]:
    """Exact results of an expression in a, b and c, and whether they are whole numbers (not where it divides by zero).

    Results in between may be fractions: a*(b/c) of 3, 5 and 3 is 5.
    """
    above, below = _fraction(_parsed(expression), dict(zip("abc", numbers.T, strict=True)))
    whole = (below != 0) & (above % np.where(below == 0, 1, below) == 0)
    return above // np.where(below == 0, 1, below), whole


def _fraction(node: ast.expr, values: dict[str, np.ndarray]) -> tuple[np.ndarray, np.ndarray]:
    """Numerators and denominators; a denominator of 0 says that something was divided by zero."""
    if isinstance(node, ast.Name):
        return values[node.id], np.ones_like(values[node.id])
    if not isinstance(node, ast.BinOp):
        raise TypeError(f"{ast.unparse(node)!r} is neither an operand nor a calculation with two of them")
    (a, b), (c, d) = _fraction(node.left, values), _fraction(node.right, values)
    if isinstance(node.op, ast.Div):
        return a * d, np.where(d == 0, 0, b * c)
    if isinstance(node.op, ast.Mult):
        return a * c, b * d
    return (a * d + b * c if isinstance(node.op, ast.Add) else a * d - b * c), b * d


#: Three operands with their result.
Triple = tuple[tuple[int, int, int], int]


def two_triples(rng: random.Random, expression: str, limits: Limits) -> tuple[Triple, Triple] | None:
    """Operands of two prompts with the same expression: results in range, and all operands and results differ.

    Drawn with equal chance among all that suit; None where there are next to none.
    """
    generator = np.random.default_rng(rng.getrandbits(64))
    low, high = limits.of_three
    base: Triple | None = None
    for size in _BLOCKS:
        numbers = generator.integers(low, high + 1, (size, 3))
        for suited in suitable(expression, limits, numbers):
            if base is None:
                base = suited
            elif all_differ(base, suited, limits):
                return base, suited
    return None


def two_triples_at_once(rng: random.Random, expression: str, limits: Limits) -> tuple[Triple, Triple] | None:
    """The same from one single draw, for ranges in which many triples suit; None where this one does not."""
    low, high = limits.of_three
    numbers = np.array([[rng.randint(low, high) for _ in range(3)] for _ in range(2)])
    found = list(suitable(expression, limits, numbers))
    return (found[0], found[1]) if len(found) == 2 and all_differ(found[0], found[1], limits) else None


#: How many triples are tried at once: of a/(b*c) up to 300 one in some 4,000 suits, of a+b-c every other.
_BLOCKS = (64, 512, 4096, *[32_768] * 30)


def suitable(expression: str, limits: Limits, numbers: Int64[np.ndarray, "triple 3"]) -> Iterator[Triple]:
    """Those of some operands whose result is whole and in range, one after the other."""
    results, whole = results_of(expression, numbers)
    low, high = limits.results
    for place in np.flatnonzero(whole & (results >= low) & (results <= high)):
        a, b, c = numbers[place].tolist()
        yield (a, b, c), int(results[place])


def all_differ(first: Triple, second: Triple, limits: Limits) -> bool:
    """Whether no operand and no result of two prompts is the same, and their lengths are as the range asks."""
    if first[1] == second[1] or any(a == b for a, b in zip(first[0], second[0], strict=True)):
        return False
    return not limits.same_length or same_length(first[0], second[0])


def same_length(first: Sequence[int], second: Sequence[int]) -> bool:
    """Whether numbers have as many digits as others."""
    return all(len(str(a)) == len(str(b)) for a, b in zip(first, second, strict=True))
