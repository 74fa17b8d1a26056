"""Arithmetic prompts with their right answers, from the templates of the CNA paper.

The four templates of every operation are table 14 of the CNA paper (arXiv 2409.14144). Operands of n digits run from
10^(n-1), or 0 for one digit, to 10^n - 1, and `*` has a second operand of one digit (*choices*). Differences and
ratios are those of the *inverse tables*: (b + c) - b = c for every sum, (a * b) / b = a for every product whose second
factor is not 0. So 12 - 5 = 7 and 72 / 8 = 9 count as one digit, as in the paper's appendix B.

With one digit, the percentages of the paper's tables 24 to 27 are shares of 145, 100, 158 and 90 cases (the smallest
numbers that give each of them, rounded or cut off): the answer digits of the 100 sums, of the 100 inverse differences,
of the 100 products (those with a factor 0 count, with the answer 0) and of the 90 inverse ratios. The paper's tables
of two and three digits are random draws that fit many numbers of cases, so the inverse tables are a *choice* there:
300 cases fit its three-digit ratios (100 answers of three digits each), but not its three-digit differences.
"""

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Literal, cast, get_args

from core.errors import UserError
from core.prompts.number_words import words

Operation = Literal["+", "-", "*", "/"]


Form = Literal["digits", "words"]


DigitKind = Literal["memorize", "change-one"]


#: Which operands - and / have: those of the inverse tables, or a first operand within the number of digits.
Pool = Literal["inverse tables", "within digits"]


OPERATIONS: tuple[Operation, ...] = get_args(Operation)


FORMS: tuple[Form, ...] = get_args(Form)


POOLS: tuple[Pool, ...] = get_args(Pool)


TEMPLATES: dict[Operation, tuple[str, ...]] = {
    "+": ("The sum of {a} and {b} is", "Q: What is {a} plus {b}? A:", "{a} plus {b} is", "{a} + {b} ="),
    "-": ("The difference between {a} and {b} is", "Q: What is {a} minus {b}? A:", "{a} minus {b} is", "{a} - {b} ="),
    "*": ("The product of {a} and {b} is", "Q: What is {a} times {b}? A:", "{a} times {b} is", "{a} * {b} ="),
    "/": ("The ratio of {a} and {b} is", "Q: What is {a} divides {b}? A:", "{a} divides {b} is", "{a} / {b} ="),
}


LAST_TEMPLATE = 3


@dataclass(frozen=True)
class Prompt:
    """One arithmetic question as text, with the right continuation.

    `template` is the row of table 14, from 0. `digits` is the number of digits of the first operand; in an inverse
    table, of the sums' or products' first operand: 12 - 5 has one.
    """

    operation: Operation
    first: int
    second: int
    digits: int
    form: Form
    template: int

    @property
    def result(self) -> int:
        """The number that is asked for."""
        return compute(self.operation, self.first, self.second)

    @property
    def text(self) -> str:
        """The question, ending right before its answer."""
        return TEMPLATES[self.operation][self.template].format(a=self._spell(self.first), b=self._spell(self.second))

    @property
    def answer(self) -> str:
        """The right continuation, written in the operands' form."""
        return self._spell(self.result)

    def _spell(self, number: int) -> str:
        return str(number) if self.form == "digits" else words(number)


def compute(operation: str, first: int, second: int) -> int:
    """Returns the exact result; a ratio that is not whole raises `UserError`."""
    if operation == "+":
        return first + second
    if operation == "-":
        return first - second
    if operation == "*":
        return first * second
    if operation == "/":
        if second == 0 or first % second:
            raise UserError(
                f"{first} / {second} is not a whole number. Choose a dividend that is a multiple of the divisor."
            )
        return first // second
    raise UserError(f"Unknown operation {operation!r}: use one of {', '.join(OPERATIONS)}.")


@lru_cache(maxsize=32)
def operand_pairs(operation: str, digits: int) -> tuple[tuple[int, int], ...]:
    """All pairs whose first operand has so many digits, in order: differences are not negative, ratios are whole.

    Raises:
        UserError: for an unknown operation or digits outside 1 to 3.
    """
    if operation not in OPERATIONS:
        raise UserError(f"Unknown operation {operation!r}: use one of {', '.join(OPERATIONS)}.")
    if digits not in (1, 2, 3):
        raise UserError(f"{digits} digits: prompts have 1, 2 or 3.")
    firsts = range(10 ** (digits - 1) if digits > 1 else 0, 10**digits)
    seconds: Iterable[int] = range(10) if operation in "*/" else firsts
    return tuple(
        (a, b)
        for a in firsts
        for b in seconds
        if (operation != "-" or a >= b) and (operation != "/" or (b and a % b == 0))
    )


@lru_cache(maxsize=32)
def table_pairs(operation: str, digits: int) -> tuple[tuple[int, int], ...]:
    """All pairs of an operation's table, in order; those of - and / invert the tables of + and * (see the module).

    Raises:
        UserError: for an unknown operation or digits outside 1 to 3.
    """
    if operation == "-":
        return tuple((a + b, b) for a, b in operand_pairs("+", digits))
    if operation == "/":
        return tuple((a * b, b) for a, b in operand_pairs("*", digits) if b)
    return operand_pairs(operation, digits)


def make_prompts(
    operations: Sequence[str] = OPERATIONS,
    digits: Sequence[int] = (1,),
    forms: Sequence[str] = ("digits",),
    templates: Sequence[int] = (LAST_TEMPLATE,),
    count: int | None = None,
    seed: int = 0,
    pool: str = "inverse tables",
) -> list[Prompt]:
    """Draws prompts without repeats, the same for the same seed.

    Args:
        operations: of `+ - * /`; every operation gets `count` prompts for each entry of `digits`.
        digits: 1, 2 and / or 3; see `Prompt`.
        forms: operands and answer as digits or English words.
        templates: rows of table 14, from 0; 3 is "a + b =".
        count: prompts for each operation and number of digits; None: all there are.
        seed: order and choice.
        pool: the operands of - and /, of `table_pairs` or of `operand_pairs`.

    Raises:
        UserError: for an empty or unknown choice.
    """
    if pool not in POOLS:
        raise UserError(f"There is no pool {pool!r}: use one of {', '.join(POOLS)}.")
    if not (operations and digits and forms and templates) or (count is not None and count < 1):
        raise UserError("Choose at least one operation, number of digits, form, template and prompt.")
    if absent := [t for t in templates if t not in range(4)]:
        raise UserError(f"Template {absent[0]} does not exist: table 14 has four, 0 to 3.")
    if unknown := [f for f in forms if f not in FORMS]:
        raise UserError(f"Form {unknown[0]!r} does not exist: use digits or words.")
    pairs_of = table_pairs if pool == "inverse tables" else operand_pairs
    rng = random.Random(seed)
    prompts = []
    for operation in operations:
        for n in digits:
            every = [(a, b, f, t) for a, b in pairs_of(operation, n) for f in forms for t in templates]
            chosen = rng.sample(every, min(count, len(every))) if count is not None else every
            prompts += [Prompt(cast(Operation, operation), a, b, n, cast(Form, f), t) for a, b, f, t in chosen]
    return prompts


def digit_kinds(operation: str, first: int, second: int) -> list[DigitKind]:
    """Labels each digit of the answer, most significant first (CNA §3.4).

    A digit of a sum or difference is *change-one* when a carry or borrow changes it and
    *memorize* otherwise; of a product or ratio the last digit is memorize, the others
    change-one. A leading digit that a carry creates counts as change-one, and the digits of a
    negative difference are those of `second - first` (*choices*).
    """
    length = len(str(abs(compute(operation, first, second))))
    if operation == "-" and first < second:
        first, second = second, first
    kinds: list[DigitKind] = []
    if operation in "*/":
        kinds += ["change-one"] * (length - 1)
        return [*kinds, "memorize"]
    carry = 0
    for place in range(length):
        a, b = first // 10**place % 10, second // 10**place % 10
        kinds.append("change-one" if carry else "memorize")
        carry = int(a + b + carry >= 10) if operation == "+" else int(a - b - carry < 0)
    return kinds[::-1]
