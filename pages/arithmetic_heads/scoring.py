"""How the page scores answers, and which operands - and / have: one choice for everything on the page.

A sweep is scored either way without a new run. A link from before these choices opens with their defaults.
"""

from typing import cast

import streamlit as st

from core.forward.answers import SCORINGS, Scoring
from core.prompts.arithmetic import POOLS

#: The widget's key.
SCORING = "scoring"
NAMES: dict[Scoring, str] = {
    "tokens": "answer tokens",
    "answers": "whole answers",
    "open answers": "open answers",
}

EXPLANATION = """
*Answer tokens*, as in the paper: each visible token of an answer is one case, after the right tokens before it. With
one digit a token, the 100 sums of two digits have 145 cases, the differences 100, the products 158 and the ratios 90:
the numbers that the percentages of tables 24 to 27 are shares of. *Whole answers*: greedy exact match, and the number
must end there: a most likely next token that begins with a digit (or with a point or comma and a digit) makes it wrong,
and so does a number word or hyphen behind number words. *Open answers*: the same, whatever follows; there 452 passes
for 45.

Operands of − and / are by default those of the *inverse tables*: 12 - 5 = 7 from 5 + 7, and 72 / 8 = 9 from 9 * 8 have
one digit, as in the paper's appendix B. *Within digits*, the first operand has so many digits: 9 - 5 and 8 / 2 have
one. The shaped bundled model was trained within digits, so it knows few of the two-digit inverse tables; the plain one
was trained on both.
"""


def pick_scoring() -> Scoring:
    """The choice of the scoring."""
    chosen = st.segmented_control(
        "Scored by",
        SCORINGS,
        default="tokens",
        format_func=lambda scoring: NAMES[scoring],
        key=SCORING,
        bind="query-params",
        required=True,
        help="Answer tokens as in the paper: each after the right ones before it. Whole answers: a digit after the "
        "answer makes it wrong. Open answers: the answer's tokens, whatever follows.",
    )
    return cast(Scoring, chosen)


def pick_pool() -> None:
    """The choice of the operands; settings read it."""
    st.segmented_control(
        "Operands of − and /",
        POOLS,
        default=POOLS[0],
        key="pool",
        bind="query-params",
        required=True,
        help="Inverse tables, as in the paper: 12 - 5 = 7 from 5 + 7 has one digit. Within digits: the first operand "
        "has so many digits, as in the training of the shaped bundled model.",
    )


def cases_of(scoring: Scoring, what: str) -> str:
    """What is counted in some prompts, in words: "the answer tokens of the + prompts"."""
    return f"the answer tokens of {what}" if scoring == "tokens" else what
