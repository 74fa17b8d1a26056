"""The place after which a prompt is read: its end, or a token that was picked."""

from collections.abc import Sequence

from core.model.load import LoadedModel
from core.types import PromptLike

#: The end of a prompt, where a list of positions has no word for none.
END = -1


def read_at(lm: LoadedModel, prompt: str, position: int | None) -> PromptLike:
    """A prompt for the analyses: the text itself, or its tokens up to a picked position; None and `END`: at its end."""
    if position is None or position == END:
        return prompt
    return tuple(lm.encode_for_answer(prompt)[: position + 1])


def reads_at(lm: LoadedModel, prompts: Sequence[str], positions: Sequence[int | None]) -> list[PromptLike]:
    """The same for some prompts."""
    return [read_at(lm, *one) for one in zip(prompts, positions, strict=True)]
