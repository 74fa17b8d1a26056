"""Accuracy on prompts that the caller gives: greedy exact match of whole answers."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

from core.findings.figures import Figure, share_of
from core.forward.answers import BOTH, Question, are_right
from core.model.load import LoadedModel
from core.prompts.endings import number_form
from core.reading import strict


@dataclass(frozen=True)
class Asked:
    """A named group of questions.

    Attributes:
        name: such as "2-digit +".
        questions: texts with their right continuations.
        to_the_end: whether the model must end its text after the answer, which it can only where it was trained on
            such texts; otherwise a number must only not become another number.
    """

    name: str
    questions: tuple[tuple[str, str], ...]
    to_the_end: bool = False


@strict
@dataclass(frozen=True)
class Accuracy:
    """The share of a group's questions that are answered right, with Wilson's interval."""

    name: str
    right: int
    cases: int
    to_the_end: bool
    share: Figure


def measure_accuracy(lm: LoadedModel, asked: Asked, tell: Callable[[int, int], None]) -> Accuracy:
    """Asks a group of questions.

    Raises:
        UserError: for no questions, or a word that the model does not know.
    """
    questions = [_question(lm, text, answer, asked.to_the_end) for text, answer in asked.questions]
    verdicts: Sequence[bool] = are_right(lm, questions, tell, ends=not asked.to_the_end)
    right = sum(verdicts)
    return Accuracy(asked.name, right, len(questions), asked.to_the_end, share_of(right, len(questions)))


def _question(lm: LoadedModel, text: str, answer: str, to_the_end: bool) -> Question:
    ids, tokens = lm.encode_continuation(text, answer, BOTH)
    if to_the_end and lm.tokenizer.eos_token_id is not None:
        tokens = [*tokens, int(lm.tokenizer.eos_token_id)]
        lm.check_length(len(ids) + len(tokens), BOTH)
    return Question(ids, tokens, [None] * len(tokens), number_form(answer))
