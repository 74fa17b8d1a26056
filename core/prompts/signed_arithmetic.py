"""Two-digit arithmetic with differences of either sign: the training and test prompts of LoRA (CNA §5).

A base model has not learnt negative results, so fine-tuning has something to teach. *Choice*: every
two-digit case once (`core.prompts.arithmetic.operand_pairs`, and for `-` every ordered pair),
17,354 in all, in the last template; half of the differences are negative. The paper has 18,000 for
training and 2,000 for testing and does not say how they are drawn.
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache
from itertools import product

from core.errors import UserError
from core.prompts.arithmetic import LAST_TEMPLATE, OPERATIONS, Operation, Prompt, operand_pairs

N_TEST = 1735


#: How results are broken down: by operation, with negative differences by themselves.
GROUPS = ("+", "- positive", "- negative", "*", "/")


@dataclass(frozen=True)
class NegativeData:
    """Prompts to train on and held-out prompts to test with; none is in both."""

    train: list[Prompt]
    test: list[Prompt]


def negative_data(n_train: int | None = None, n_test: int = N_TEST, seed: int = 0) -> NegativeData:
    """Splits the two-digit cases, the same for the same seed.

    Args:
        n_train: how many to train on; None: all that are not held out.
        n_test: how many are held out.
        seed: order and split.

    Raises:
        UserError: when there are not that many.
    """
    everything = cases(2)
    left = len(everything) - n_test
    if n_test < 1 or left < 1 or (n_train is not None and not 1 <= n_train <= left):
        raise UserError(
            f"There are {len(everything)} two-digit cases. Hold out 1 to {len(everything) - 1} of them, "
            "and train on at most the rest."
        )
    order = random.Random(seed).sample(everything, len(everything))
    train = order[n_test:] if n_train is None else order[n_test : n_test + n_train]
    return NegativeData(train, order[:n_test])


@lru_cache(maxsize=4)
def _pairs(operation: Operation, digits: int) -> tuple[tuple[int, int], ...]:
    if operation != "-":
        return operand_pairs(operation, digits)
    numbers = range(10 ** (digits - 1) if digits > 1 else 0, 10**digits)
    return tuple(product(numbers, numbers))


def cases(digits: int, operations: Sequence[Operation] = OPERATIONS) -> list[Prompt]:
    """Every case whose operands have `digits` digits, negative differences included."""
    return [Prompt(o, a, b, digits, "digits", LAST_TEMPLATE) for o in operations for a, b in _pairs(o, digits)]


@lru_cache(maxsize=8)
def counts_of_test(n_test: int, seed: int) -> dict[str, int]:
    """How many test prompts each group has, and all of them under "all"; independent of the training set's size."""
    groups = [group_of(prompt) for prompt in negative_data(None, n_test, seed).test]
    return {"all": len(groups), **{name: groups.count(name) for name in GROUPS}}


def group_of(prompt: Prompt) -> str:
    """Which of `GROUPS` a prompt belongs to."""
    if prompt.operation != "-":
        return prompt.operation
    return "- negative" if prompt.result < 0 else "- positive"
