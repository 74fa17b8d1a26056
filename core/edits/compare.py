"""A comparison of the original and the edited model, side by side (what-if).

For every prompt the most likely next tokens, the greedy and a sampled continuation, and for generated arithmetic
the accuracy of each operation (greedy exact match of whole answers, which no digit may follow).
"""

from collections.abc import Sequence
from contextlib import AbstractContextManager, nullcontext, suppress
from dataclasses import dataclass, field

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from core.edits.edit_set import check_edits
from core.errors import UserError
from core.forward.answers import are_right, question
from core.forward.generate import continue_greedily, continue_sampled
from core.forward.scoring import answer_ids, next_token_logits
from core.hooks import Edit, intervene
from core.model.load import LoadedModel
from core.progress import Progress, Stopped, silent
from core.prompts.arithmetic import OPERATIONS, make_prompts
from core.types import PromptLike


@dataclass
class Answers:
    """One of the two models: next-token logits of each prompt, continuations and accuracies.

    `accuracy` is the share of right answers by number of digits and operation ("1D+"); lists are shorter after a Stop.
    """

    logits: Float[Tensor, "prompt vocab"]
    greedy: list[str] = field(default_factory=list)
    sampled: list[str] = field(default_factory=list)
    accuracy: dict[str, float] = field(default_factory=dict)


@dataclass
class WhatIf:
    """Both models over the same prompts.

    `asked` counts the arithmetic prompts of each accuracy.
    """

    prompts: list[str]
    original: Answers
    edited: Answers
    asked: dict[str, int] = field(default_factory=dict)

    def next_tokens(self, lm: LoadedModel, number: int, n: int = 10) -> pd.DataFrame:
        """Most likely next tokens of either model after one prompt.

        Columns: token, id, original, edited (probabilities), change (edited - original); first the original's
        top n in order, then those of the edited model's top n that are not among them.
        """
        p = torch.softmax(self.original.logits[number], -1)
        q = torch.softmax(self.edited.logits[number], -1)
        n = min(n, lm.n_vocab)
        ids = list(dict.fromkeys([*p.topk(n).indices.tolist(), *q.topk(n).indices.tolist()]))
        rows = [(lm.token(i), i, float(p[i]), float(q[i]), float(q[i] - p[i])) for i in ids]
        return pd.DataFrame(rows, columns=["token", "id", "original", "edited", "change"])

    def continuations(self) -> pd.DataFrame:
        """One row per prompt: both models' greedy and sampled continuations, as far as they were computed."""
        columns = {
            "prompt": self.prompts,
            "original": self.original.greedy,
            "edited": self.edited.greedy,
            "original, sampled": self.original.sampled,
            "edited, sampled": self.edited.sampled,
        }
        done = min(len(values) for values in columns.values())
        return pd.DataFrame({name: values[:done] for name, values in columns.items()})


def what_if(
    lm: LoadedModel,
    prompts: Sequence[PromptLike],
    edits: Sequence[Edit],
    n_tokens: int = 8,
    temperature: float = 1.0,
    seed: int = 0,
    digits: Sequence[int] = (1, 2),
    count: int = 25,
    progress: Progress = silent,
) -> WhatIf:
    """Runs the original and the edited model on the same prompts.

    Args:
        lm: the model.
        prompts: text or token ids; next tokens are read as of `LoadedModel.prompt_ids` of the original model.
        edits: heads and neurons with factors; without any, both sides are the same.
        n_tokens: length of the continuations, less where the context is full.
        temperature: of the sampled continuation.
        seed: of the draws and of the arithmetic prompts.
        digits: of the arithmetic prompts' first operand; without any, there is no arithmetic.
        count: prompts for each operation and number of digits.
        progress: called after every step; when it raises `Stopped`, what is computed is returned.

    Raises:
        UserError: for no prompts, or prompts, edits or a temperature that cannot be taken.
    """
    if not prompts:
        raise UserError("There is no prompt. Type one per line, such as 3+5=")
    check_edits(lm, edits)
    sequences = answer_ids(lm, prompts)
    sides = []
    for some in ((), tuple(edits)):
        with _edited(lm, some):
            sides.append(Answers(next_token_logits(lm, sequences)))
    out = WhatIf([lm.prompt_text(p) for p in prompts], sides[0], sides[1])
    total, done = 2 * (len(prompts) + len(OPERATIONS) * len(digits)), 0
    with suppress(Stopped):
        for prompt, ids in zip(prompts, sequences, strict=True):
            room = min(n_tokens, lm.n_context - len(ids))
            for side, some in zip(sides, ((), tuple(edits)), strict=True):
                with _edited(lm, some if room else ()):
                    greedy = continue_greedily(lm, prompt, room)
                    sampled = continue_sampled(lm, prompt, room, temperature, seed)
                side.greedy.append(_text(lm, greedy))
                side.sampled.append(_text(lm, sampled))
                progress(done := done + 1, total)
        for n in digits:
            for operation in OPERATIONS:
                asked = [question(lm, p) for p in make_prompts([operation], [n], count=count, seed=seed)]
                out.asked[f"{n}D{operation}"] = len(asked)
                for side, some in zip(sides, ((), tuple(edits)), strict=True):
                    with _edited(lm, some):
                        right = are_right(lm, asked)
                    side.accuracy[f"{n}D{operation}"] = sum(right) / len(right)
                    progress(done := done + 1, total)
    return out


def _edited(lm: LoadedModel, edits: Sequence[Edit]) -> AbstractContextManager[object]:
    return intervene(lm, *edits) if edits else nullcontext()


def _text(lm: LoadedModel, ids: Sequence[int]) -> str:
    return lm.decode([i for i in ids if i not in lm.ends])
