"""Right or wrong answers by teacher forcing: answer tokens, or whole answers with their end.

Two scorings (`Scoring`). *tokens*, as in the CNA paper: each visible answer token, after the right tokens before it, is
one case. *answers*: greedy exact match of the whole answer, which must end there: a most likely next token that makes
it another number makes it wrong (`core.prompts.endings`). *open answers* are whole answers, whatever follows.

Greedy decoding fails exactly where some token of the right answer is not the most likely one after the right tokens
before it, so one forward pass over prompt and answer decides it. In 8 bits the rows of a pass affect each other a
little: there a close decision can differ from that of step-by-step decoding.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, get_args

import torch

from core.forward.prefix_tree import trees_for
from core.model.load import LoadedModel
from core.progress import Progress, silent
from core.prompts.arithmetic import DigitKind, Form, Prompt, digit_kinds
from core.prompts.endings import continues

#: How a prompt that is too long with its answer is named.
BOTH = "The prompt and its answer have"

#: What is counted as one case, and when it is right (see the module).
Scoring = Literal["tokens", "answers", "open answers"]

SCORINGS: tuple[Scoring, ...] = get_args(Scoring)


@dataclass(frozen=True)
class Question:
    """A prompt as tokens, with the tokens of its right answer.

    Attributes:
        ids: of the prompt.
        answer: the right tokens after it.
        kinds: memorize or change-one, for each answer token (None: no digit).
        number: how the answer writes a number, which must end with it; None: whatever follows is right.
    """

    ids: list[int]
    answer: list[int]
    kinds: list[DigitKind | None]
    number: Form | None = None


def question(lm: LoadedModel, prompt: Prompt, then_end_of_text: bool = False) -> Question:
    """Tokenises a prompt with its answer.

    Args:
        lm: the model.
        prompt: what is asked.
        then_end_of_text: whether the end-of-sequence token, where the model has one, is a part of the answer. Models
            that were not trained on such prompts go on writing after a right answer.

    Raises:
        UserError: for a word that the model does not know.
    """
    ids, answer = lm.encode_continuation(prompt.text, prompt.answer, BOTH)
    kinds = _token_kinds(lm, prompt, answer)
    end = lm.tokenizer.eos_token_id
    if not then_end_of_text or end is None:
        return Question(ids, answer, kinds, prompt.form)
    lm.check_length(len(ids) + len(answer) + 1, BOTH)
    return Question(ids, [*answer, int(end)], [*kinds, None])


def shift_note(lm: LoadedModel, prompts: Sequence[Prompt]) -> str | None:
    """A sentence for tokenizers that join a prompt's last token with its answer, so that it is read earlier; or None.

    Raises:
        UserError: as `question`.
    """
    shifted = [joined for p in prompts if (joined := lm.encode_joined(p.text, p.answer, BOTH)).shift]
    if not shifted:
        return None
    first = shifted[0]
    where = "one token earlier" if first.shift == 1 else f"{first.shift} tokens earlier"
    return (
        f"In {len(shifted):,} of {len(prompts):,} prompts the tokenizer joins the prompt's last token with the answer "
        f"(such as {lm.token(first.text[0])!r}): the position that is read is {where} there."
    )


def _token_kinds(lm: LoadedModel, prompt: Prompt, answer: list[int]) -> list[DigitKind | None]:
    """A label for each token with digits, which may be several; none for signs, blanks and words.

    A token of several digits is labelled by all of them (*choice*). In a sum or difference it is change-one when a
    carry or borrow reaches any of them, else memorize. In a product or ratio the token with the last digit is memorize
    and the others are change-one, as the paper has it for tokens of one digit.
    """
    if prompt.form != "digits":
        return [None] * len(answer)
    labels = digit_kinds(prompt.operation, prompt.first, prompt.second)
    kinds: list[DigitKind | None] = []
    for token in reversed(answer):  # from the end: the first token may be joined with the prompt's last one
        n_digits = sum(character.isdecimal() for character in lm.token(token))
        mine, labels = labels[max(0, len(labels) - n_digits) :], labels[: max(0, len(labels) - n_digits)]
        if not mine:
            kinds.append(None)
        elif prompt.operation in "*/":
            kinds.append(mine[-1])
        else:
            kinds.append("change-one" if "change-one" in mine else "memorize")
    return kinds[::-1]


@dataclass(frozen=True)
class TokenCase:
    """One answer token, after the right tokens before it: the case of the CNA paper's tables (§3.4).

    Attributes:
        number: of its question.
        place: of the token in the question's answer.
        ids: everything before it: the prompt, and the right tokens of the answer so far.
        token: the right one.
        kind: memorize, change-one, or None.
    """

    number: int
    place: int
    ids: tuple[int, ...]
    token: int
    kind: DigitKind | None


def token_cases(lm: LoadedModel, questions: Sequence[Question]) -> list[TokenCase]:
    """Every visible token of every answer; blanks and the end of the text are not cases."""
    return [
        TokenCase(number, place, (*q.ids, *q.answer[:place]), token, q.kinds[place])
        for number, q in enumerate(questions)
        for place, token in enumerate(q.answer)
        if token not in lm.ends and not lm.is_blank(token)
    ]


def greedy_tokens(
    lm: LoadedModel, questions: Sequence[Question], progress: Progress = silent, beyond: bool = False
) -> list[list[int]]:
    """The most likely token at each place of each answer, after the right tokens before it.

    Inside an `intervene` block: of the intervened model.

    Args:
        lm: the model.
        questions: prompts with their answers.
        progress: called after every group of questions.
        beyond: whether the most likely token after the whole answer is added.
    """
    found: list[list[int]] = [[] for _ in questions]
    trees = trees_for(lm, [q.ids + (q.answer if beyond else q.answer[:-1]) for q in questions])
    for number, tree in enumerate(trees):
        inputs = tree.inputs(lm)
        with torch.no_grad():
            best = lm.run(inputs.pop("input_ids"), **inputs)[0].argmax(-1).tolist()
        for index, path in zip(tree.members, tree.paths, strict=True):
            found[index] = [best[node] for node in path[len(questions[index].ids) - 1 :]]
        progress(number + 1, len(trees))
    return found


def are_right(
    lm: LoadedModel, questions: Sequence[Question], progress: Progress = silent, ends: bool = True
) -> list[bool]:
    """Whether greedy decoding gives the whole answer, for each question (in an `intervene` block: intervened).

    Args:
        lm: the model.
        questions: prompts with their answers.
        progress: called after every group of questions.
        ends: whether a number must end with its answer.
    """
    return verdicts(lm, questions, greedy_tokens(lm, questions, progress, ends), "answers" if ends else "open answers")


def verdicts(
    lm: LoadedModel, questions: Sequence[Question], found: Sequence[list[int]], scoring: Scoring
) -> list[bool]:
    """Right or wrong for every case: each visible answer token, or each whole answer.

    `found` are the `greedy_tokens` of the questions, for "answers" with the token beyond.
    """
    if scoring == "tokens":
        return right_tokens(token_cases(lm, questions), found)
    whole = [tokens[: len(q.answer)] == q.answer for q, tokens in zip(questions, found, strict=True)]
    if scoring == "open answers":
        return whole
    return [
        right and is_complete(lm, q.answer, q.number, tokens[len(q.answer)])
        for right, q, tokens in zip(whole, questions, found, strict=True)
    ]


def is_complete(lm: LoadedModel, answer: Sequence[int], number: Form | None, following: int) -> bool:
    """Whether an answer that writes a number in some form stays the same number when a token follows it."""
    if number is None or following in lm.ends:
        return True
    return not continues(number, lm.decode(list(answer)), lm.token(following))


def right_tokens(cases: Sequence[TokenCase], found: Sequence[list[int]]) -> list[bool]:
    """Whether `greedy_tokens` of the questions has each case's token right, whatever it says at the other places."""
    return [found[case.number][case.place] == case.token for case in cases]
