"""Held-out accuracy of the plain model while it trains: greedy exact match of whole answers, with their end."""

import random
from collections.abc import Iterator

import torch
from transformers import LlamaForCausalLM, PreTrainedTokenizerFast

from core.mediation.tasks import Task
from core.mediation.templates import drafts_of
from core.prompts.arithmetic import OPERATIONS, TEMPLATES, compute
from training.plain.texts import pair
from training.samples import held_out, spell

COUNT = 200
#: Digits that are measured, by operation: what is asked of the model.
MEASURED = {"+": (1, 2, 3), "-": (1, 2, 3), "*": (1, 2), "/": (1, 2)}
_SIGNS = 3


def scores(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast) -> dict[str, float]:
    """Shares of right answers by number of digits and operation, and of number retrieval."""
    found = {}
    for operation in OPERATIONS:
        for digits in MEASURED[operation]:
            found[f"{digits}D{operation}"] = exact_match(model, tokenizer, questions(operation, digits))
    found["retrieval"] = exact_match(model, tokenizer, retrieval())
    return found


def questions(operation: str, digits: int, count: int = COUNT, form: str = "digits") -> list[tuple[str, str]]:
    """Prompts in signs that training never shows, numbers in digits or words, with their answers."""
    rng = random.Random(f"{operation}{digits}")
    asked: dict[str, str] = {}
    for _ in range(100 * count):
        a, b = pair(rng, operation, digits)  # type: ignore[arg-type]
        if held_out(operation, a, b, form, _SIGNS):  # type: ignore[arg-type]
            text = TEMPLATES[operation][_SIGNS].format(a=spell(a, form), b=spell(b, form))  # type: ignore[index]
            asked[text] = spell(compute(operation, a, b), form)
        if len(asked) == count:
            break
    return list(asked.items())


def retrieval() -> list[tuple[str, str]]:
    """Questions for one of two given numbers, with their answers; drawn from so many that few were ever shown."""
    rng, draw = random.Random(0), drafts_of(Task("number retrieval", template_set="CMA"))
    drawn = [found for _ in range(COUNT) if (found := draw(rng)) is not None]
    return [(base.text, base.answer) for base, _ in drawn]


@torch.no_grad()
def exact_match(model: LlamaForCausalLM, tokenizer: PreTrainedTokenizerFast, asked: list[tuple[str, str]]) -> float:
    """Share of answers of which every token, and the end after them, is the most likely one (teacher forcing)."""
    right = 0
    for rows in _same_lengths(tokenizer, asked):
        ids = torch.tensor([row for row, _ in rows])
        best = model(input_ids=ids, use_cache=False).logits.argmax(-1)
        for (_, begin), given, found in zip(rows, ids, best, strict=True):
            right += bool((given[begin:] == found[begin - 1 : -1]).all())
    return right / len(asked)


def _same_lengths(
    tokenizer: PreTrainedTokenizerFast, asked: list[tuple[str, str]]
) -> Iterator[list[tuple[list[int], int]]]:
    """Batches of (ids with the end token, where the answer begins) of one length."""
    by_length: dict[int, list[tuple[list[int], int]]] = {}
    for text, answer in asked:
        ids = [*tokenizer(f"{text} {answer}")["input_ids"], tokenizer.eos_token_id]
        by_length.setdefault(len(ids), []).append((ids, len(tokenizer(text)["input_ids"])))
    yield from by_length.values()
