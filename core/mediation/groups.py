"""Position groups: which part of a prompt each token belongs to, in two groupings.

`roles` names the operands, the operator, the last token and the rest. `CMA` is the grouping of the notebook of CMA's
authors (`plot-all-tokens.ipynb` in alestolfo/lm-arithmetic): the tokens before the operands (early), between them
(middle) and after them (late) are apart, the operator is one of them, and an operand is its last token only; the
tokens of a number before that one are counted with what stands before the number. With three operands there are two
groups between them. In number retrieval the landmarks are the first and the last token of the asked thing in the
question, in facts those of the subject; a single token is the first of an asked thing, but the last of a subject.

Where we differ (*choices*): an operand is found by its characters, not as the last occurrence of its token; the last
token of a prompt is `last` even where it is an operand ("... and multiply by 5", where theirs have a blank); and our
prompts begin with the model's own beginning-of-sequence token, which their runs leave out. It is an early token (in
`roles`: others), and since it is the same in both prompts, its effect is exactly 0.
"""

from bisect import bisect_left
from collections.abc import Sequence
from typing import Literal, get_args

from core.model.encode import TextEncoder

Grouping = Literal["roles", "CMA"]


GROUPINGS: tuple[Grouping, ...] = get_args(Grouping)


FIRST, OPERATOR, SECOND, THIRD = "first operand", "operator", "second operand", "third operand"


NUMBER_1, NUMBER_2, ASKED, SUBJECT = "first number", "second number", "asked thing", "subject"


LAST, OTHERS = "last", "others"


EARLY, MIDDLE, LATE = "early", "middle", "late"


BETWEEN = ("between operands 1", "between operands 2")


#: First token, those between, last token.
ASKED_TOKENS = ("asked thing (first)", "asked thing (middle)", "asked thing (last)")


SUBJECT_TOKENS = ("subject (first)", "subject (middle)", "subject (last)")


#: The groups of both groupings in the order in which they are shown.
GROUPS = (
    EARLY,
    FIRST,
    OPERATOR,
    MIDDLE,
    BETWEEN[0],
    SECOND,
    BETWEEN[1],
    THIRD,
    NUMBER_1,
    NUMBER_2,
    ASKED,
    *ASKED_TOKENS,
    SUBJECT,
    *SUBJECT_TOKENS,
    LATE,
    LAST,
    OTHERS,
)


#: The position groups in which the two prompts of a pair differ, by kind of pair (`core.mediation.tasks`).
DIFFERING: dict[str, tuple[str, ...]] = {
    **dict.fromkeys(("other operands", "same result", "three operands"), (FIRST, SECOND, THIRD)),
    "other operator": (OPERATOR,),
    "number retrieval": (ASKED, *ASKED_TOKENS),
    "facts": (SUBJECT, *SUBJECT_TOKENS),
}


#: A part of a prompt: first character, end, and its name.
Span = tuple[int, int, str]


def roles_of(lm: TextEncoder, text: str, spans: Sequence[Span]) -> list[str]:
    """What each token of `lm.encode(text)` belongs to: the first span that it covers, or `others`.

    With tokenizers that do not tell which characters a token covers, every token is one of the others.
    """
    encoded = lm.tokenizer(text, return_offsets_mapping=lm.tokenizer.is_fast)
    if not lm.tokenizer.is_fast:
        return [OTHERS] * len(encoded["input_ids"])
    return [
        _role(text, begin, end, lm.is_blank(token), spans)
        for token, (begin, end) in zip(encoded["input_ids"], encoded["offset_mapping"], strict=True)
    ]


def _role(text: str, begin: int, end: int, blank: bool, spans: Sequence[Span]) -> str:
    covered = text[begin:end]
    if blank and covered.strip():  # a blank put before the text, which claims the text's first character
        return OTHERS
    visible = begin + len(covered) - len(covered.lstrip())
    return next((name for start, stop, name in spans if visible < stop and end > start), OTHERS)


def by_roles(roles: Sequence[str]) -> tuple[str, ...]:
    """The grouping `roles`: those of `roles_of`, with the last token as a group of its own."""
    return (*roles[:-1], LAST)


def by_landmarks(roles: Sequence[str]) -> tuple[str, ...]:
    """The grouping `CMA`, from what each token of the whole prompt belongs to (`roles_of`)."""
    names, between = _landmarks(roles)
    spots = sorted(names)
    if not spots:
        return by_roles(roles)
    sides = (EARLY, *between[: len(spots) - 1], LATE)
    groups = [names.get(place) or sides[bisect_left(spots, place)] for place in range(len(roles))]
    return by_roles(groups)


def _landmarks(roles: Sequence[str]) -> tuple[dict[int, str], tuple[str, ...]]:
    """The tokens that stand for an operand, an asked thing or a subject, and the names of what is between them."""
    spots = {name: [place for place, role in enumerate(roles) if role == name] for name in roles}
    if ASKED in spots:
        first, middle, last = ASKED_TOKENS
        return {spots[ASKED][-1]: last, spots[ASKED][0]: first}, (middle,)
    if SUBJECT in spots:
        first, middle, last = SUBJECT_TOKENS
        return {spots[SUBJECT][0]: first, spots[SUBJECT][-1]: last}, (middle,)
    operands = {spots[name][-1]: name for name in (FIRST, SECOND, THIRD) if name in spots}
    return operands, BETWEEN if THIRD in spots else (MIDDLE,)
