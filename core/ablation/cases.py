"""The cases of a set of prompts: every answer token that the model predicts, and where it is decided.

Tables 5, 6, 15 and 16 of the CNA paper. A case is one visible token of a right answer, after the right tokens before
it: "3 + 8 =" has two on a tokenizer of single digits, "1" after the prompt and "1" after the prompt and "1". A case's
neurons are ranked for its token at the position right before it, and it is judged by that token alone. It counts where
the model predicts the token with nothing ablated, whatever it says at the other places of the answer: a neuron
cannot be missed where the prediction was wrong. Blanks that begin an answer are not cases: they say nothing of the
result.
"""

import random
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import pandas as pd
from jaxtyping import Bool, Shaped
from torch import Tensor

from core.errors import UserError
from core.forward.answers import Question, TokenCase, greedy_tokens, question, right_tokens, token_cases
from core.forward.record import ActivationCache
from core.forward.record_without import record_without
from core.kept.chunks import Chunks, not_kept
from core.model.load import LoadedModel
from core.neurons.compare import compare_runs
from core.neurons.comparison import Comparison
from core.progress import Progress, part
from core.prompts.arithmetic import Prompt
from core.types import Head

#: Compares the run of some token ids with the same run without the heads, for a target token: at least the top k.
Compare = Callable[[Sequence[int], int], Comparison]


TOP_KS = (99, 50, 30, 20, 10)


_BATCH = 16  # prompts


@dataclass(frozen=True)
class CaseSet:
    """Every answer token of a set of prompts.

    Attributes:
        prompts: what is asked.
        questions: the same as tokens.
        tokens: the cases, prompt by prompt and in the order of the answer.
        texts: each case's token as text.
    """

    prompts: list[Prompt]
    questions: list[Question]
    tokens: list[TokenCase]
    texts: list[str]

    @classmethod
    def of(cls, lm: LoadedModel, prompts: Sequence[Prompt], ks: Sequence[int] = (1,)) -> "CaseSet":
        """Tokenises a set of prompts.

        Raises:
            UserError: for no prompts, a word that the model does not know, or a k below 1.
        """
        if not prompts:
            raise UserError("There is no prompt to measure. Choose at least one.")
        if not ks or min(ks) < 1:
            raise UserError("Choose at least one number of neurons, each 1 or more, such as 99 or 10.")
        questions = [question(lm, prompt) for prompt in prompts]
        tokens = token_cases(lm, questions)
        return cls(list(prompts), questions, tokens, [lm.token(case.token) for case in tokens])

    def __len__(self) -> int:
        """How many cases."""
        return len(self.tokens)

    def to_frame(self) -> pd.DataFrame:
        """One row per case: number of its prompt, prompt, answer, place among the answer's visible tokens, token."""
        numbers = [case.number for case in self.tokens]
        frame = pd.DataFrame(
            {
                "number": numbers,
                "prompt": [self.prompts[i].text for i in numbers],
                "answer": [self.prompts[i].answer for i in numbers],
            }
        )
        return frame.assign(place=frame.groupby("number").cumcount(), token=self.texts)

    def by_k(
        self, chosen: Bool[Tensor, " case"], ks: Sequence[int], **columns: Shaped[Tensor, "case k"]
    ) -> pd.DataFrame:
        """`to_frame` of the chosen cases, one row per case and k: k, and a column for each of the tensors."""
        rows = self.to_frame()[chosen.numpy()]
        frame = rows.loc[rows.index.repeat(len(ks))].reset_index(drop=True)
        values = {name: value[chosen].flatten().numpy() for name, value in columns.items()}
        return frame.assign(k=list(ks) * len(rows), **values)

    def right(self, lm: LoadedModel, progress: Progress) -> list[list[int]]:
        """The cases that the model predicts, in batches whose order makes every part a fair one.

        Cases of one prompt stand together, and prompts of one length in prompt and answer.
        """
        found = greedy_tokens(lm, self.questions, lambda _done, _total: progress(0, len(self)))
        by_question: dict[int, list[int]] = {}
        for number, (case, yes) in enumerate(zip(self.tokens, right_tokens(self.tokens, found), strict=True)):
            if yes:
                by_question.setdefault(case.number, []).append(number)
        by_length: dict[tuple[int, int], list[list[int]]] = {}
        for asked in random.Random(0).sample(list(by_question), len(by_question)):
            q = self.questions[asked]
            by_length.setdefault((len(q.ids), len(q.answer)), []).append(by_question[asked])
        batches = [
            [case for cases in same[i : i + _BATCH] for case in cases]
            for same in by_length.values()
            for i in range(0, len(same), _BATCH)
        ]
        return random.Random(0).sample(batches, len(batches))


def compared(
    cases: CaseSet,
    batches: Sequence[list[int]],
    compare: Compare,
    ks: Sequence[int],
    progress: Progress,
    chunks: Chunks = not_kept,
) -> Iterator[tuple[list[int], list[Comparison], Progress]]:
    """Yields each batch with its cases' comparisons, and a progress to measure it with.

    Half of the steps are comparing, half what the caller does with them. The last token of an answer is compared
    first, so that the runs of the others are its beginnings (`comparing_heads`).

    Raises:
        UserError: where fewer neurons are ranked than asked for, and than there are.
    """
    done, total = 0, 2 * sum(len(batch) for batch in batches)
    for number, batch in enumerate(batches):
        work = partial(_compare_batch, cases, batch, compare, ks, partial(_tell, progress, done, total))
        found = chunks(f"compared {number}", work)
        done += len(batch)
        progress(done, total)
        yield batch, found, part(progress, done, total, len(batch))
        done += len(batch)
    progress(total, total)


def _tell(progress: Progress, before: int, total: int, done: int) -> None:
    progress(before + done, total)


def _compare_batch(
    cases: CaseSet, batch: list[int], compare: Compare, ks: Sequence[int], report: Callable[[int], None]
) -> list[Comparison]:
    found: dict[int, Comparison] = {}
    for number in reversed(batch):
        found[number] = _ranked(compare, cases.tokens[number], ks)
        report(len(found))
    return [found[number] for number in batch]


def comparing_heads(lm: LoadedModel, heads: Sequence[Head], k: int) -> Compare:
    """Compares runs with and without some heads; what begins the text that was run last is not run again."""
    lowest = min(layer for layer, _ in heads)
    last: list[ActivationCache] = []

    def compare(ids: Sequence[int], target: int) -> Comparison:
        if not last or not _begins(lm, ids, last[0].ids):
            last[:] = record_without(lm, list(ids), heads)
        first, second = (run.until(len(ids) - 1) for run in last)
        return compare_runs((lm, lm), (first, second), target, k, lowest)

    return compare


def _begins(lm: LoadedModel, ids: Sequence[int], text: list[int]) -> bool:
    """Whether a run of the text is also one of the ids; in 8 bits only where they are the same."""
    return list(ids) == (text if lm.precision == "int8" else text[: len(ids)])


def remembered(compare: Compare) -> Compare:
    """Compares each case once: for several measures over one set, within one model and one choice of heads."""
    known: dict[tuple[tuple[int, ...], int], Comparison] = {}

    def lookup(ids: Sequence[int], target: int) -> Comparison:
        key = tuple(ids), target
        if key not in known:
            known[key] = compare(ids, target)
        return known[key]

    return lookup


def _ranked(compare: Compare, case: TokenCase, ks: Sequence[int]) -> Comparison:
    comparison = compare(case.ids, case.token)
    have = len(comparison.pairs)
    if have < max(ks) and have < comparison.compared:
        raise UserError(f"Only {have} neurons were ranked: compare with k={max(ks)}, or choose fewer.")
    return comparison
