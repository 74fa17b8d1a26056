"""Text to tokens and back: a model's tokenizer, with the model's limits.

Tokenizers differ in how they split an answer from its prompt, and many begin an answer with a
blank token, which says nothing of the answer. Both are decided here, once for all analyses.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

from core.errors import UserError
from core.types import PromptLike


@dataclass(frozen=True)
class JoinedTokens:
    """A prompt and the text that follows it as one sequence of tokens, cut where the text begins.

    Attributes:
        ids: the tokens before the text.
        text: the tokens of the text.
        shift: how many of the prompt's last tokens the tokenizer joins with the text, so that `ids` ends, and the
            text begins, that much earlier than the prompt does by itself; 0 with nearly every tokenizer.
    """

    ids: list[int]
    text: list[int]
    shift: int


def stays_blank(prompt: str, added: int) -> UserError:
    """The error of a prompt after which a model writes nothing but blanks, so that there is no answer to look at.

    Args:
        prompt: text.
        added: how many blanks were added to it.
    """
    return UserError(
        f"The model goes on with nothing but blanks after {prompt[-60:]!r} ({added} were added), so there is no answer "
        "to look at. Write the prompt in another way, or choose a token of it to read the model there."
    )


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
            UserError: for empty text, a digit or word the model does not know, or too long a text.
        """
        if not text.strip():
            raise UserError("The prompt is empty. Type something such as 3+5=")
        self.check_digits(text)
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

    @cached_property
    def unknown_digits(self) -> str:
        """The digits from 0 to 9 that the tokenizer cannot write by themselves: it drops or changes them."""
        return "".join(digit for digit in "0123456789" if not self._writes(digit))

    def _writes(self, text: str) -> bool:
        ids = self.encode_answer(text)
        known = all(i != self.tokenizer.unk_token_id and i < self.n_vocab for i in ids)
        return known and text in self.decode(ids)

    def check_digits(self, text: str) -> None:
        """Raises `UserError` for a text with digits that the tokenizer cannot write; within words it may have them."""
        if not (unknown := [digit for digit in self.unknown_digits if digit in text]):
            return
        written = str(self.tokenizer.decode(self.tokenizer(text)["input_ids"], skip_special_tokens=True))
        if missing := [digit for digit in unknown if digit not in written]:
            which = f"digit {missing[0]}" if len(missing) == 1 else f"digits {', '.join(missing)}"
            raise UserError(
                f"This model's tokenizer cannot write the {which}, so the model cannot be asked about numbers with "
                "them. Load another model, or ask in number words."
            )

    def encode_answer(self, text: str) -> list[int]:
        """Turns text into token ids by itself, without special tokens and without the prompt before it."""
        return list(self.tokenizer(text, add_special_tokens=False)["input_ids"])

    def encode_continuation(
        self, prompt: str, text: str, what: str = "The prompt and its continuation have"
    ) -> tuple[list[int], list[int]]:
        """Turns a prompt, and the text that follows it after one space, into token ids.

        As `encode_joined`, which also says where the tokenizer joins the two.

        Args:
            prompt: the text that the model is given.
            text: what follows it, such as an answer.
            what: names both together in the error of a text that is too long.

        Returns:
            The ids before the text, and those of the text.

        Raises:
            UserError: for no text, a word the model does not know, or too long a text.
        """
        joined = self.encode_joined(prompt, text, what)
        return joined.ids, joined.text

    def encode_joined(self, prompt: str, text: str, what: str = "The prompt and its continuation have") -> JoinedTokens:
        """Turns a prompt, and the text that follows it after one space, into token ids.

        The text's tokens are those behind the prompt's in both together; where the prompt ends in white space, this is
        the space. Where the tokenizer joins the prompt's last tokens with the text, as GPT-2's joins a space at the
        prompt's end with the word behind it, the text begins at the joined token.

        Raises:
            UserError: as `encode_continuation`, and where no token stands before the joined one.
        """
        if not text.strip():
            raise UserError("There is no text after the prompt. Type at least one word.")
        ids = self.encode(prompt)
        space = "" if prompt[-1].isspace() else " "
        together = self.encode(f"{prompt}{space}{text}", what)
        pairs = enumerate(zip(ids, together, strict=False))
        begin = next((i for i, (alone, joined) in pairs if alone != joined), min(len(ids), len(together)))
        if begin == len(together):  # some tokenizers drop what they do not know
            raise UserError(f"The model does not know {text!r}. Leave it out or write it in another way.")
        if begin == 0:
            raise UserError(f"The tokenizer joins {prompt!r} with {text!r} into one token. Write a longer prompt.")
        return JoinedTokens(ids[:begin], together[begin:], len(ids) - begin)

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
