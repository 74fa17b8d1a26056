"""Training rows: prompts with their answers as tokens, padded on the right.

Nothing after a position affects it in a causal model, so padding needs no mask. A row is the prompt and its answer;
every token of the answer, and the token that ends it, is predicted from the position before it.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from core.errors import UserError
from core.forward.answers import BOTH
from core.model.load import LoadedModel
from core.prompts.arithmetic import Prompt


@dataclass(frozen=True)
class TrainingRows:
    """Prompts with their answers as tokens.

    Attributes:
        ids: the tokens that go in, padded.
        wanted: the right next token at each position.
        answer: the positions whose next token belongs to the answer.
        end: the position whose next token ends the text; none where the model has no such token.
    """

    ids: Int[Tensor, "row pos"]
    wanted: Int[Tensor, "row pos"]
    answer: Bool[Tensor, "row pos"]
    end: Bool[Tensor, "row pos"]

    def __len__(self) -> int:
        """How many rows."""
        return len(self.ids)

    @classmethod
    def of(cls, lm: LoadedModel, prompts: Sequence[Prompt], length: int | None = None) -> "TrainingRows":
        """Tokenises prompts with their answers.

        Args:
            lm: the model.
            prompts: what is asked.
            length: the rows' length; None: as long as the longest.

        Raises:
            UserError: for no prompts, or a word that the model does not know.
        """
        if not prompts:
            raise UserError("There is no prompt to train on or to test with.")
        encoded = [lm.encode_continuation(prompt.text, prompt.answer, BOTH) for prompt in prompts]
        size = length or max(len(ids) + len(answer) for ids, answer in encoded)
        lm.check_length(size, "The longest prompt and its answer have")
        shape = (len(prompts), size)
        ids, wanted = torch.zeros(shape, dtype=torch.long), torch.zeros(shape, dtype=torch.long)
        answer, end = torch.zeros(shape, dtype=torch.bool), torch.zeros(shape, dtype=torch.bool)
        stop = lm.tokenizer.eos_token_id
        for row, (question, right) in enumerate(encoded):
            n = len(question) + len(right)
            ids[row, :n] = torch.tensor(question + right)
            wanted[row, : n - 1] = ids[row, 1:n]
            answer[row, len(question) - 1 : n - 1] = True
            if stop is not None:
                wanted[row, n - 1], end[row, n - 1] = int(stop), True
        return cls(ids, wanted, answer, end)

    def some(self, which: Tensor) -> "TrainingRows":
        """Some of the rows."""
        return TrainingRows(self.ids[which], self.wanted[which], self.answer[which], self.end[which])
