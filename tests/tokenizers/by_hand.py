"""What a model answers, worked out with transformers alone: its tokenizer and forward passes (tests.plain)."""

from collections.abc import Sequence
from typing import Any

import torch

from core.model.load import LoadedModel, load_model
from core.prompts.arithmetic import Prompt
from tests import plain


def answer_position(lm: LoadedModel, text: str) -> list[int]:
    """The tokens of a text and of the blanks that the model writes behind it."""
    ids = list(lm.tokenizer(text)["input_ids"])
    while not lm.tokenizer.decode([new := plain.next_token(lm.model, ids)]).strip():
        ids.append(new)
    return ids


def answer_tokens(tokenizer: Any, prompt: Prompt) -> tuple[list[int], list[int]]:
    """The tokens of a question, and those of its right answer behind it."""
    ids = list(tokenizer(prompt.text)["input_ids"])
    both = list(tokenizer(f"{prompt.text} {prompt.answer}")["input_ids"])
    assert both[: len(ids)] == ids
    return ids, both[len(ids) :]


def visible_cases(tokenizer: Any, prompts: Sequence[Prompt]) -> list[tuple[int, tuple[int, ...], int]]:
    """Every answer token that is not blank: number of its prompt, the tokens before it, the token."""
    found = []
    for number, prompt in enumerate(prompts):
        ids, answer = answer_tokens(tokenizer, prompt)
        for place, token in enumerate(answer):
            if tokenizer.decode([token]).strip():
                found.append((number, (*ids, *answer[:place]), token))
    return found


def written(lm: LoadedModel, text: str, most: int = 8) -> str:
    """What the model writes after a text, token by token, until it ends the text."""
    ids = list(lm.tokenizer(text)["input_ids"])
    new: list[int] = []
    while len(new) < most:
        new.append(plain.next_token(lm.model, ids + new))
        if new[-1] == lm.tokenizer.eos_token_id:
            return lm.tokenizer.decode(new[:-1]).strip()
    return lm.tokenizer.decode(new).strip()


def slightly_changed(lm: LoadedModel, layer: int, size: float) -> LoadedModel:
    """The model again, with a small random change of one attention layer's values, as of a fine-tuned one."""
    other = load_model(lm.name, "fp32")
    with torch.no_grad():
        weight = other.model.model.layers[layer].self_attn.v_proj.weight
        weight += size * torch.randn(weight.shape, generator=torch.Generator().manual_seed(1))
    return other
