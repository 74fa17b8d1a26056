"""Presets of head sweeps: tables 1 to 3, 18 and 24 to 27 of the CNA paper, and its notebook."""

from typing import Any

from core.paper import notebook
from core.paper.models import GPT_J
from core.paper.preset import OPERATIONS, Asked, Preset
from core.types import Head

_LAST = 3  # row of table 14, from 0: "a + b ="
_LEADING: tuple[Head, ...] = ((17, 22), (20, 18), (14, 19))


def _sweep(digits: tuple[int, ...], count: int = 100, **others: Any) -> Asked:
    asked = {"operations": OPERATIONS, "digits": digits, "forms": ("digits",), "templates": (_LAST,), "count": count}
    return {"sweep": asked | {"pool": "inverse tables"} | others}


_ONE_DIGIT = (
    "Of one digit these are all cases: 145 answer tokens of sums, 100 of differences, 158 of products, 90 of ratios. "
    "Of two and three digits the paper does not print how many there are."
)

HEADS = (
    Preset(
        "arithmetic_heads",
        "Table 1",
        _sweep((2,), 400, forms=("digits", "words"), templates=(0, 1, 2, 3)),
        note="1,600 sentences: 400 of each operation, in the four prompts of table 14, in digits and number words.",
        tables=(1,),
    ),
    Preset(
        "arithmetic_heads",
        "Tables 2 and 24 to 27",
        _sweep((1, 2, 3)),
        heads=_LEADING,
        note=f"The last prompt of table 14. {_ONE_DIGIT}",
        tables=(2, 24, 25, 26, 27),
    ),
    Preset(
        "arithmetic_heads",
        "Table 3",
        _sweep((2,)),
        heads=_LEADING,
        note="Memorize and change-one digits of two-digit cases; measure each head under *One head*.",
        tables=(3,),
    ),
    Preset(
        "arithmetic_heads",
        "Table 18 (GPT-J)",
        _sweep((2,)),
        note="The paper does not print how many cases; those of + and * are whole percents, as 100 cases give.",
        model=GPT_J,
        tables=(18,),
    ),
    Preset(
        "arithmetic_heads",
        "The notebook's sweep",
        {"own": {"prompts": (notebook.PROMPT,), "metric": "probability"}},
        note="The probability of the prediction of one prompt.",
    ),
)
