"""The cases of a set of prompts: those that the model answers right, and where each answer is decided.

Tables 5, 6, 15 and 16 of the CNA paper look at right cases only: a neuron cannot be missed
where the answer was wrong. Neurons are ranked at the position before the answer's first
visible token (*choice*): many tokenizers begin an answer with a blank, which says nothing
of the result.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

from core.errors import UserError
from core.forward.answers import Question, are_right, question
from core.model.load import LoadedModel
from core.neurons.comparison import Comparison
from core.progress import Progress, part
from core.prompts.arithmetic import Prompt

#: Compares the run of some token ids with the same run without the heads: at least the top k neurons.
Compare = Callable[[Sequence[int]], Comparison]


TOP_KS = (99, 50, 30, 20, 10)


_BATCH = 16


@dataclass(frozen=True)
class Case:
    """A question that the model answers right.

    Attributes:
        number: of its prompt in the set.
        question: prompt and answer as tokens.
        asked: the tokens up to the answer's first visible one.
    """

    number: int
    question: Question
    asked: tuple[int, ...]


def asked(lm: LoadedModel, q: Question) -> tuple[int, ...]:
    """The tokens before the answer's first visible one: the prompt, and blanks that begin the answer."""
    return (*q.ids, *q.answer[: lm.first_visible(q.answer)])


def questions_of(lm: LoadedModel, prompts: Sequence[Prompt], ks: Sequence[int] = (1,)) -> list[Question]:
    """Tokenises a set of prompts.

    Raises:
        UserError: for no prompts, a word that the model does not know, or a k below 1.
    """
    if not prompts:
        raise UserError("There is no prompt to measure. Choose at least one.")
    if not ks or min(ks) < 1:
        raise UserError("Choose at least one number of neurons, each 1 or more, such as 99 or 10.")
    return [question(lm, p) for p in prompts]


def right_cases(lm: LoadedModel, questions: Sequence[Question], progress: Progress) -> list[list[Case]]:
    """The right cases in batches of one length, in an order in which every part is a fair one."""
    right = are_right(lm, questions, lambda _done, _total: progress(0, len(questions)))
    cases = [Case(i, q, asked(lm, q)) for i, (q, yes) in enumerate(zip(questions, right, strict=True)) if yes]
    random.Random(0).shuffle(cases)
    by_length: dict[tuple[int, int], list[Case]] = {}
    for case in cases:
        by_length.setdefault((len(case.question.ids), len(case.question.answer)), []).append(case)
    batches = [same[i : i + _BATCH] for same in by_length.values() for i in range(0, len(same), _BATCH)]
    random.Random(0).shuffle(batches)
    return batches


def compared(
    batches: Sequence[list[Case]], compare: Compare, ks: Sequence[int], progress: Progress
) -> Iterator[tuple[list[Case], list[Comparison], Progress]]:
    """Yields each batch with its cases' comparisons, and a progress to measure it with.

    Half of the steps are comparing, half what the caller does with them.

    Raises:
        UserError: where fewer neurons are ranked than asked for, and than there are.
    """
    done, total = 0, 2 * sum(len(batch) for batch in batches)
    for batch in batches:
        comparisons: list[Comparison] = []
        for case in batch:
            comparisons.append(_ranked(compare, case, ks))
            done += 1
            progress(done, total)
        yield batch, comparisons, part(progress, done, total, len(batch))
        done += len(batch)
    progress(total, total)


def remembered(compare: Compare) -> Compare:
    """Compares each prompt once: for several measures over one set, within one model and one choice of heads."""
    known: dict[tuple[int, ...], Comparison] = {}

    def lookup(ids: Sequence[int]) -> Comparison:
        if tuple(ids) not in known:
            known[tuple(ids)] = compare(ids)
        return known[tuple(ids)]

    return lookup


def _ranked(compare: Compare, case: Case, ks: Sequence[int]) -> Comparison:
    comparison = compare(case.asked)
    have = len(comparison.pairs)
    if have < max(ks) and have < comparison.compared:
        raise UserError(f"Only {have} neurons were ranked: compare with k={max(ks)}, or choose fewer.")
    return comparison
