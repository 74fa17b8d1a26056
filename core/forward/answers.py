"""Greedy exact match of whole answers, by teacher forcing.

Greedy decoding fails exactly where some token of the right answer is not the most likely one after the right tokens
before it, so one forward pass over prompt and answer decides it. In 8 bits the rows of a pass affect each other a
little: there a close decision can differ from that of step-by-step decoding.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import pandas as pd
import torch

from core.forward.prefix_tree import trees_for
from core.model.load import LoadedModel
from core.progress import Progress, silent
from core.prompts.arithmetic import DigitKind, Prompt, digit_kinds

#: How a prompt that is too long with its answer is named.
BOTH = "The prompt and its answer have"


@dataclass(frozen=True)
class Question:
    """A prompt as tokens, with the tokens of its right answer.

    `kinds` labels each answer token memorize or change-one (None: no digit).
    """

    ids: list[int]
    answer: list[int]
    kinds: list[DigitKind | None]


def question(lm: LoadedModel, prompt: Prompt, ends: bool = False) -> Question:
    """Tokenises a prompt with its answer.

    Args:
        lm: the model.
        prompt: what is asked.
        ends: whether the answer must be followed by the end-of-sequence token.

    Raises:
        UserError: for a word that the model does not know.
    """
    ids, answer = lm.encode_continuation(prompt.text, prompt.answer, BOTH)
    kinds = _token_kinds(lm, prompt, answer)
    if ends and lm.tokenizer.eos_token_id is not None:
        answer, kinds = [*answer, int(lm.tokenizer.eos_token_id)], [*kinds, None]
    lm.check_length(len(ids) + len(answer), BOTH)
    return Question(ids, answer, kinds)


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
    """A label for each token that is one digit; none where the tokenizer joins digits. A sign is not a digit."""
    kinds: list[DigitKind | None] = [None] * len(answer)
    if prompt.form != "digits":
        return kinds
    labels = digit_kinds(prompt.operation, prompt.first, prompt.second)
    digits = [i for i, token in enumerate(answer) if len(piece := lm.token(token).strip()) == 1 and piece.isdecimal()]
    if len(digits) != len(labels):
        return kinds
    for place, kind in zip(digits, labels, strict=True):
        kinds[place] = kind
    return kinds


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


def greedy_tokens(lm: LoadedModel, questions: Sequence[Question], progress: Progress = silent) -> list[list[int]]:
    """The most likely token at each place of each answer, after the right tokens before it.

    Inside an `intervene` block: of the intervened model.
    """
    found: list[list[int]] = [[] for _ in questions]
    trees = trees_for(lm, [q.ids + q.answer[:-1] for q in questions])
    for number, tree in enumerate(trees):
        inputs = tree.inputs(lm.device, lm.dtype)
        with torch.no_grad():
            best = lm.run(inputs.pop("input_ids"), **inputs)[0].argmax(-1).tolist()
        for index, path in zip(tree.members, tree.paths, strict=True):
            found[index] = [best[node] for node in path[len(questions[index].ids) - 1 :]]
        progress(number + 1, len(trees))
    return found


def are_right(lm: LoadedModel, questions: Sequence[Question], progress: Progress = silent) -> list[bool]:
    """Whether greedy decoding gives the whole answer, for each question (in an `intervene` block: intervened)."""
    found = greedy_tokens(lm, questions, progress)
    return [tokens == q.answer for tokens, q in zip(found, questions, strict=True)]


def right_tokens(cases: Sequence[TokenCase], found: Sequence[list[int]]) -> list[bool]:
    """Whether `greedy_tokens` of the questions has each case's token right, whatever it says at the other places."""
    return [found[case.number][case.place] == case.token for case in cases]


def digit_accuracy(questions: Sequence[Question], found: Sequence[list[int]]) -> pd.DataFrame:
    """Share of right digits of `greedy_tokens`, by kind (CNA §3.4). Columns: kind, accuracy, count."""
    right: dict[str, list[bool]] = {"memorize": [], "change-one": []}
    for q, tokens in zip(questions, found, strict=True):
        for token, wanted, kind in zip(tokens, q.answer, q.kinds, strict=True):
            if kind is not None:
                right[kind].append(token == wanted)
    rows = [(kind, sum(r) / len(r), len(r)) for kind, r in right.items() if r]
    return pd.DataFrame(rows, columns=["kind", "accuracy", "count"])
