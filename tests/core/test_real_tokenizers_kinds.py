"""Memorize and change-one tokens on tokenizers with one, two or three digits a token."""

from core.forward.answers import question
from core.prompts.arithmetic import make_prompts
from tests.some import some
from tests.tokenizers.by_hand import answer_tokens


def reached(operation: str, first: int, second: int, place: int) -> bool:
    """Whether a carry or borrow reaches a digit, by the numbers that the digits to its right make."""
    below = 10**place
    return first % below + second % below >= below if operation == "+" else first % below < second % below


def test_every_token_with_digits_has_a_kind(on_tokenizer):
    lm, found = on_tokenizer, set()
    for prompt in some(make_prompts(digits=(1, 2, 3), count=60)):
        q, (_, answer) = question(lm, prompt), answer_tokens(lm.tokenizer, prompt)
        texts = [lm.tokenizer.decode([token]).strip() for token in answer]
        assert "".join(texts) == prompt.answer
        left = len(prompt.answer)
        for text, kind in some(zip(texts, q.kinds, strict=True)):
            left -= len(text)
            if not text:
                assert kind is None
            elif prompt.operation in "*/":
                assert kind == ("change-one" if left else "memorize")
            else:
                places = range(left, left + len(text))
                carried = any(reached(prompt.operation, prompt.first, prompt.second, place) for place in places)
                assert kind == ("change-one" if carried else "memorize")
            found.add(kind)
    assert {"memorize", "change-one"} <= found
