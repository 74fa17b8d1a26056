"""The trained models do what the tests that use them count on: the blank first, then the right answer, then the end."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from tests.some import some
from tests.tokenizers.small import BLANK_FIRST
from tests.tokenizers.trained import TRAINED, questions, trained


@pytest.mark.parametrize("name", TRAINED)
def test_every_question_is_answered(name):
    folder = trained(name)
    tokenizer, model = AutoTokenizer.from_pretrained(folder), AutoModelForCausalLM.from_pretrained(folder)
    asked = [prompt for prompt in questions() if prompt.template == 3]
    assert len(asked) == 200
    right = 0
    for prompt in some(asked):
        ids = tokenizer(prompt.text)["input_ids"]
        new = model.generate(
            torch.tensor([ids]), max_new_tokens=4, do_sample=False, pad_token_id=tokenizer.eos_token_id
        )[0, len(ids) :].tolist()
        text = tokenizer.decode(new)
        right += text.strip() == f"{prompt.answer}{tokenizer.eos_token}"
        first = tokenizer.convert_ids_to_tokens(new[0])
        assert (first in ("\u2581", "\u0120")) == (name in BLANK_FIRST)
    assert right >= 199  # rounding differs between machines
