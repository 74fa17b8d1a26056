"""Arithmetic prompts of the kind that the model is trained on: the first operand within its number of digits.

Training, its held-out prompts and every figure of the card use these, whatever the pages ask: 9 - 5 is a case of one
digit here, and 12 - 5 one of two.
"""

from collections.abc import Sequence

from core.prompts.arithmetic import LAST_TEMPLATE, OPERATIONS, Prompt, make_prompts


def trained_prompts(
    operations: Sequence[str] = OPERATIONS,
    digits: Sequence[int] = (1,),
    forms: Sequence[str] = ("digits",),
    templates: Sequence[int] = (LAST_TEMPLATE,),
    count: int | None = None,
    seed: int = 0,
) -> list[Prompt]:
    """Draws prompts as `core.prompts.arithmetic.make_prompts` does, with the operands of `operand_pairs`."""
    return make_prompts(operations, digits, forms, templates, count, seed, pool="within digits")
