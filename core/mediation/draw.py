"""Pairs of prompts that the model answers right, drawn with a seed.

Both prompts of a pair have the same number of tokens, and each position belongs to the same part of both. Results
are compared at the first token in which the answers differ: their common beginning is appended to both prompts
("34 + 28 =" and "31 + 38 =" become "34 + 28 = 6" with the results 2 and 9). A blank that both answers begin with is
part of it, so that results are read at a visible token. With one result it is the answer's first token that is not
blank. Drawn pairs are *correct pairs*: the model answers both prompts right. CMA's authors ask for results of one token
instead, and their notebook keeps the pairs that the model answers wrong (*choices*).
"""

import random
from collections.abc import Sequence
from dataclasses import dataclass

from core.errors import UserError
from core.forward.answers import BOTH, Question, are_right
from core.mediation.groups import OTHERS, by_landmarks, by_roles, roles_of
from core.mediation.pairs import PromptPair
from core.mediation.tasks import Task
from core.mediation.templates import Draft, Drafts, drafts_of
from core.mediation.words import COMMON_RELATIONS
from core.model.load import LoadedModel
from core.progress import Progress, silent
from core.prompts.arithmetic import OPERATIONS
from core.prompts.endings import number_form

_GIVE_UP_AFTER = 400  # drafts without one correct pair


def draw_pairs(
    lm: LoadedModel,
    kind: str = "other operands",
    count: int = 50,
    operations: Sequence[str] = OPERATIONS,
    digits: Sequence[int] = (1,),
    forms: Sequence[str] = ("digits",),
    templates: Sequence[int] | None = None,
    seed: int = 0,
    progress: Progress = silent,
    template_set: str = "CNA",
    number_range: str = "by digits",
    relations: Sequence[str] = COMMON_RELATIONS,
    classes: bool = False,
) -> list[PromptPair]:
    """Draws correct pairs without repeats, the same for the same seed and model.

    Args:
        lm: the model.
        kind: what differs between the two prompts.
        count: how many pairs; fewer are returned where the model answers fewer right.
        operations: of `+ - * /`, for kinds of two operands.
        digits: of the first operand, for kinds of two operands, with numbers `by digits`.
        forms: numbers as digits or English words.
        templates: rows of the template set, from 0. Of `CNA`: of table 14; for three operands 3 is signs and the
            others are sentences. Of `CMA`: of its wordings for the kind. None: the last of table 14, or all of CMA.
        seed: order and choice.
        progress: called after every round of questions.
        template_set: `CNA` or `CMA` (`core.mediation.words`).
        number_range: `by digits`, `CMA, up to 300` or `CMA, one-digit results` (`core.mediation.operands`).
        relations: for facts, names of `core.mediation.words.RELATIONS`.
        classes: whether CMA's number retrieval asks for the class of a thing ("How many fruits") in place of the thing.

    Raises:
        UserError: for an unknown or empty choice, or when the model answers no such pair right.
    """
    if count < 1:
        raise UserError("Ask for at least one pair.")
    task = Task(
        kind=kind,
        operations=tuple(operations),
        digits=tuple(digits),
        forms=tuple(forms),
        templates=None if templates is None else tuple(templates),
        template_set=template_set,
        number_range=number_range,
        relations=tuple(relations),
        classes=classes,
    )
    drafts = drafts_of(task)
    rng, kept, seen = random.Random(seed), list[PromptPair](), set[tuple[str, str]]()
    tried, left_out = 0, LeftOut()
    while len(kept) < count and tried < 20 * count + _GIVE_UP_AFTER and (kept or tried < _GIVE_UP_AFTER):
        fresh = _fresh(drafts, rng, 2 * (count - len(kept)) + 8, seen)
        if not fresh:
            break
        tried += len(fresh)
        kept += _correct(lm, kind, fresh, left_out)
        progress(min(len(kept), count), count)
    if not kept:
        raise UserError(
            f"This model cannot do this: of {tried} pairs of the kind {kind!r} there is none whose words it knows and "
            f"whose prompts it both answers right{left_out}. Choose another kind or other prompts."
        )
    return kept[:count]


@dataclass
class LeftOut:
    """How many drawn pairs were left out, and why."""

    unknown: int = 0
    first_unknown: str = ""
    unequal: int = 0
    wrong: int = 0

    def note_unknown(self, error: UserError) -> None:
        """Counts a pair that the model cannot read, and keeps what was said of the first one."""
        self.unknown += 1
        self.first_unknown = self.first_unknown or str(error).partition(". ")[0]

    def __str__(self) -> str:
        """In brackets, for a message; nothing where nothing was left out."""
        told = {
            f"{self.unknown} cannot be read ({self.first_unknown})": self.unknown,
            f"{self.unequal} do not match token by token": self.unequal,
            f"{self.wrong} are answered wrong": self.wrong,
        }
        reasons = [reason for reason, count in told.items() if count]
        return f": {'; '.join(reasons)}" if reasons else ""


def _fresh(drafts: Drafts, rng: random.Random, count: int, seen: set[tuple[str, str]]) -> list[tuple[Draft, Draft]]:
    """Draws pairs that were not drawn before; fewer when hardly any are left."""
    out = []
    for _ in range(20 * count):
        if (drawn := drafts(rng)) is None or (key := (drawn[0].text, drawn[1].text)) in seen:
            continue
        seen.add(key)
        out.append(drawn)
        if len(out) == count:
            break
    return out


def _correct(lm: LoadedModel, kind: str, drawn: list[tuple[Draft, Draft]], left_out: LeftOut) -> list[PromptPair]:
    """The pairs whose token counts fit and which the model answers right on both sides."""
    fitting = []
    for base, other in drawn:
        lm.check_digits(base.text + other.text)  # no other draw would help
        try:
            found = _fitting(lm, kind, base, other)
        except UserError as error:  # a word that this model does not know
            left_out.note_unknown(error)
        else:
            left_out.unequal += found is None
            fitting += [found] if found is not None else []
    if not fitting:
        return []
    right = are_right(lm, [q for _, questions in fitting for q in questions], ends=False)
    kept = [pair for (pair, _), base, other in zip(fitting, right[::2], right[1::2], strict=True) if base and other]
    left_out.wrong += len(fitting) - len(kept)
    return kept


def _fitting(lm: LoadedModel, kind: str, base: Draft, other: Draft) -> tuple[PromptPair, list[Question]] | None:
    questions = [question_of(lm, base), question_of(lm, other)]
    first, second = questions
    at = _differ_at(lm, first.answer, second.answer, kind == "same result")
    if len(first.ids) != len(second.ids) or first.ids == second.ids or at is None:
        return None
    filled = [sum(not lm.is_blank(t) for t in q.answer) for q in questions]
    single = filled == [1, 1]
    if kind == "facts" and not single:
        return None
    common = first.answer[:at]
    texts = [draft.text + (f" {lm.decode(common).strip()}".rstrip() if common else "") for draft in (base, other)]
    how = "single token" if single else "first token" if kind == "same result" else "first token that differs"
    roles = roles_of(lm, base.text, base.spans)[: len(first.ids)]
    if roles != roles_of(lm, other.text, other.spans)[: len(second.ids)]:
        return None
    roles += [OTHERS] * len(common)
    pair = PromptPair(
        base=texts[0],
        alternative=texts[1],
        base_ids=(*first.ids, *common),
        alternative_ids=(*second.ids, *common),
        base_result=first.answer[at],
        alternative_result=second.answer[at],
        groups=by_roles(roles),
        read_at=how,
        cma_groups=by_landmarks(roles),
    )
    return pair, questions


def question_of(lm: LoadedModel, draft: Draft) -> Question:
    """A draft as tokens, with those of its right answer.

    Raises:
        UserError: for a word that the model does not know, or too long a text.
    """
    ids, answer = lm.encode_continuation(draft.text, draft.answer, BOTH)
    return Question(ids, answer, [None] * len(answer), number_form(draft.answer))


def _differ_at(lm: LoadedModel, first: list[int], second: list[int], same: bool) -> int | None:
    """Where two answers are read: the first difference, or the first token that is not blank; None: nowhere."""
    if (first == second) != same:
        return None
    for at, (a, b) in enumerate(zip(first, second, strict=False)):
        if a != b or (same and not lm.is_blank(a)):
            return at
    return None
