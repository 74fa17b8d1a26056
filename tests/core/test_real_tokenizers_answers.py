"""Kinds of answer tokens, where an answer ends, and sweeps scored by token, on real tokenizers.

What is right is worked out from the numbers' digits, the tokenizer's own decoder, and transformers alone.
"""

import re

import pytest
import torch

from core.forward.answers import is_complete, question
from core.heads.accuracy import sweep_accuracy
from core.prompts.arithmetic import Prompt, make_prompts
from tests import plain
from tests.some import some
from tests.tokenizers.by_hand import answer_tokens, visible_cases

HEADS = [(0, 1), (1, 2)]


def reached(prompt: Prompt, place: int) -> bool:
    """Whether a carry or borrow reaches a place (0: the ones): the digits below it do not suffice."""
    a, b = prompt.first % 10**place, prompt.second % 10**place
    return a + b >= 10**place if prompt.operation == "+" else a < b


def kinds_by_hand(tokenizer, prompt: Prompt) -> list[str | None]:
    """Memorize or change-one of each token of the answer, by the places of its digits."""
    _, answer = answer_tokens(tokenizer, prompt)
    digits = [tokenizer.decode([token]).strip() for token in answer]
    left = len("".join(digits))
    found: list[str | None] = []
    for text in digits:
        places = range(left - len(text), left)
        left -= len(text)
        changed = left > 0 if prompt.operation in "*/" else any(reached(prompt, place) for place in places)
        found.append(("change-one" if changed else "memorize") if text else None)
    return found


@pytest.mark.parametrize("operation", ["+", "-", "*", "/"])
def test_a_token_of_several_digits_is_changed_where_any_of_them_is(on_tokenizer, operation):
    prompts = make_prompts([operation], digits=(1, 2, 3), count=60)
    asked = [question(on_tokenizer, prompt).kinds for prompt in prompts]
    assert asked == [kinds_by_hand(on_tokenizer.tokenizer, prompt) for prompt in prompts]
    assert {"memorize", "change-one"} <= {kind for kinds in asked for kind in kinds} or operation in "*/"


NUMBER = re.compile(r"\d+(?:[.,]\d+)*")


def test_an_answer_ends_where_no_token_makes_it_another_number(on_tokenizer):
    """45 is not complete before a digit or decimals: over the whole vocabulary, as the decoder writes both together."""
    tokenizer = on_tokenizer.tokenizer
    ids, answer = answer_tokens(tokenizer, Prompt("+", 12, 33, 2, "digits", 3))
    before = len(tokenizer.decode(ids))
    wrong = 0
    for token in range(len(tokenizer)):
        text = tokenizer.decode([*ids, *answer, token])[before:].strip()
        if "\ufffd" in text:  # a part of a character
            continue
        number = NUMBER.match(text)
        assert number is not None
        complete = number[0] == "45" or token in tokenizer.all_special_ids
        assert is_complete(on_tokenizer, answer, "digits", token) == complete, tokenizer.decode([token])
        wrong += not complete
    assert wrong >= 10


def test_sweeps_count_tokens_or_whole_answers(answering):
    prompts = make_prompts(["+"], digits=[1], count=10)
    swept = sweep_accuracy(answering, prompts)
    cases = visible_cases(answering.tokenizer, prompts)
    for head in some(HEADS):
        right = [int(plain.run(answering.model, ids, [head]).logits.argmax()) == token for _, ids, token in cases]
        assert swept.right("tokens")[1][:, *head].tolist() == right
    base, without = swept.accuracy(scoring="tokens")
    assert base == pytest.approx(
        sum(plain.next_token(answering.model, ids) == token for _, ids, token in cases) / len(cases)
    )
    assert torch.equal(without, swept.right("tokens")[1].float().mean(0))
    assert len(swept.right("answers")[0]) == len(prompts)
