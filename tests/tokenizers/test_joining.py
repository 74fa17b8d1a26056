"""Prompts and answers joined by tokenizers of published models: where answers begin, and which digits there are."""

import pytest

from core.errors import UserError
from core.mediation.pairs import typed_pair
from core.model.encode import TextEncoder
from core.model.load import load_model
from core.prompts.arithmetic import FORMS, make_prompts
from tests.some import some
from tests.tokenizers.small import TOKENIZERS, tokenizer, write_random


@pytest.fixture(scope="module", params=TOKENIZERS)
def encoder(request):
    encoder = TextEncoder()
    encoder.tokenizer = tokenizer(request.param)
    encoder.n_vocab, encoder.n_context = len(encoder.tokenizer), 500
    return encoder


def test_every_digit_can_be_written(encoder):
    assert encoder.unknown_digits == ""


def test_no_arithmetic_prompt_is_joined_with_its_answer(encoder):
    prompts = make_prompts(digits=(1, 2, 3), forms=FORMS, templates=range(4), count=20)
    for prompt in some(prompts):
        joined = encoder.encode_joined(prompt.text, prompt.answer)
        assert joined.shift == 0
        assert joined.ids == encoder.encode(prompt.text)
        assert joined.ids + joined.text == encoder.encode(f"{prompt.text} {prompt.answer}")


def test_a_space_at_the_end_of_a_prompt_is_the_one_before_the_answer(encoder):
    """GPT-2 writes " 8" as one token, so the position is before the space; the others keep it as a token."""
    joined = encoder.encode_joined("3 + 5 = ", "8")
    assert joined.ids + joined.text == encoder.encode("3 + 5 = 8")
    assert joined.shift == (" 8" in [encoder.token(i) for i in joined.text])
    assert joined.ids == encoder.encode("3 + 5 = ")[: len(joined.ids)]
    assert encoder.encode_joined("The capital of France is ", "Paris").text == (
        encoder.encode_joined("The capital of France is", "Paris").text
    )


def test_a_typed_result_that_is_joined_with_its_prompt_is_refused(tmp_path):
    lm = load_model(write_random("gpt2", tmp_path), "fp32")
    assert typed_pair(lm, "3 + 5 =", "2 + 6 =", "8", "9").base_result == lm.encode_answer(" 8")[0]
    with pytest.raises(UserError, match=r"joins the end of '3 \+ 5 = ' with '8'.*End the prompt in another way"):
        typed_pair(lm, "3 + 5 = ", "2 + 6 = ", "8", "9")
