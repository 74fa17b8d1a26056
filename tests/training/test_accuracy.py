"""Accuracy of both bundled models by a loop over transformers alone, against what `core` answers."""

import pytest
import torch
from transformers import AutoModelForCausalLM, AutoTokenizer

from core.findings.accuracy import Asked, measure_accuracy
from core.model.load import load_model
from core.model.source import BUNDLED
from core.progress import silent
from tests.some import some
from training.accept import shaped_questions
from training.plain.asked import asked as plain_questions


def alone(folder):
    """Whether transformers' model writes an answer and ends there, token by token, without `core`."""
    tokenizer = AutoTokenizer.from_pretrained(folder)
    model = AutoModelForCausalLM.from_pretrained(folder, dtype=torch.float32).eval()

    @torch.no_grad()
    def answers(text, answer):
        ids = tokenizer(text)["input_ids"]
        wanted = tokenizer(f"{text} {answer}")["input_ids"][len(ids) :] + [tokenizer.eos_token_id]
        for token in wanted:
            best = int(model(input_ids=torch.tensor([ids])).logits[0, -1].argmax())
            if best != token:
                return False
            ids = [*ids, token]
        return True

    return answers


@pytest.mark.parametrize(("name", "groups"), [("bundled", shaped_questions), ("bundled/plain", plain_questions)])
def test_accuracy_is_that_of_transformers_alone(name, groups):
    lm, answers = load_model(name, "fp32"), alone(BUNDLED[name])
    for group in some(groups()):
        some_of_it = group.questions[:8]
        found = measure_accuracy(lm, Asked(group.name, some_of_it, group.to_the_end), silent)
        assert found.right == sum(answers(text, answer) for text, answer in some_of_it), group.name
