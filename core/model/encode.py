"""Text to tokens and back: a model's tokenizer, with the model's limits.

Tokenizers differ in how they split an answer from its prompt, and many begin an answer with a
blank token, which says nothing of the answer. Both are decided here, once for all analyses.
"""

from collections.abc import Sequence
from typing import Any

from core.errors import UserError
from core.types import PromptLike


class TextEncoder:
    """The part of a loaded model that turns text into token ids and token ids into text."""

    tokenizer: Any
    n_vocab: int
    n_context: int

    def encode(self, text: str, what: str = "The prompt has") -> list[int]:
        """Turns text into token ids, with the model's own beginning-of-sequence token.

        Args:
            text: a prompt, or a prompt with what follows it.
            what: names the text in the error of one that is too long, such as "The prompt and its answer have".

        Raises:
            UserError: for empty text, a word the model does not know, or too long a text.
        """
        if not text.strip():
            raise UserError("The prompt is empty. Type something such as 3+5=")
        encoded = self.tokenizer(text, return_offsets_mapping=self.tokenizer.is_fast)
        ids = list(encoded["input_ids"])
        unknown = self.tokenizer.unk_token_id
        for position, token in enumerate(ids):
            if token == unknown or token >= self.n_vocab:
                piece = text
                if self.tokenizer.is_fast:
                    begin, end = encoded["offset_mapping"][position]
                    piece = text[begin:end] or text
                raise UserError(f"The model does not know {piece!r}. Leave it out or write it in another way.")
        self.check_length(len(ids), what)
        return ids

    def encode_answer(self, text: str) -> list[int]:
        """Turns text into token ids by itself, without special tokens and without the prompt before it."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode_continuation(
        self, prompt: str, text: str, what: str = "The prompt and its continuation have"
    ) -> tuple[list[int], list[int]]:
        """Turns a prompt, and the text that follows it after one space, into token ids.

        The text's tokens are those behind the prompt's in both together. Where the tokenizer joins the
        two, so that the prompt is no longer there token by token, the text is encoded by itself.

        Args:
            prompt: the text that the model is given.
            text: what follows it, such as an answer.
            what: names both together in the error of a text that is too long.

        Returns:
            The prompt's ids as of `encode`, and those of the text.

        Raises:
            UserError: for no text, a word the model does not know, or too long a text.
        """
        if not text.strip():
            raise UserError("There is no text after the prompt. Type at least one word.")
        ids = self.encode(prompt)
        together = self.encode(f"{prompt} {text}", what)
        separate = together[: len(ids)] == ids and len(together) > len(ids)
        answer = together[len(ids) :] if separate else self.encode_answer(text)
        if not answer:  # some tokenizers drop what they do not know
            raise UserError(f"The model does not know {text!r}. Leave it out or write it in another way.")
        self.check_length(len(ids) + len(answer), what)
        return ids, answer

    def check_length(self, n_tokens: int, what: str = "The prompt has") -> None:
        """Raises `UserError` when so many tokens do not fit into the model's context.

        Args:
            n_tokens: how many there are.
            what: begins the error: the text that is too long, with its verb.
        """
        if n_tokens > self.n_context:
            short = "Shorten it" if what.endswith(" has") else "Shorten the prompt"
            raise UserError(f"{what} {n_tokens} tokens; this model reads at most {self.n_context}. {short}.")

    def prompt_text(self, prompt: PromptLike) -> str:
        """A prompt as text, for messages and tables."""
        if isinstance(prompt, str):
            return prompt
        ids = [int(i) for i in prompt]
        return str(self.tokenizer.decode(ids, skip_special_tokens=True, clean_up_tokenization_spaces=False))

    def is_blank(self, token_id: int) -> bool:
        """Whether a token is only white space."""
        return not self.token(token_id).strip()

    def first_visible(self, ids: Sequence[int]) -> int:
        """The index of the first token that is not blank; 0 where all are."""
        return next((i for i, token in enumerate(ids) if not self.is_blank(token)), 0)

    def decode(self, ids: list[int]) -> str:
        """Turns token ids back into text."""
        return str(self.tokenizer.decode(ids, clean_up_tokenization_spaces=False))

    def token(self, token_id: int) -> str:
        """Shows one token as text, with its leading space if it has one."""
        piece = self.tokenizer.convert_ids_to_tokens(int(token_id))
        if piece is None:  # some models have more rows than tokens
            return f"<id {int(token_id)}>"
        if piece.startswith("\u2581"):
            return " " + piece[1:]
        text = self.decode([int(token_id)])
        return text if text and "\ufffd" not in text else str(piece)
