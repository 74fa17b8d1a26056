"""Teacher forcing against real greedy generation."""

import pytest
import torch

from core.errors import UserError
from core.forward.answers import are_right, greedy_tokens, question
from core.forward.generate import continue_greedily, continue_sampled
from core.forward.rows import TrainingRows
from core.forward.scoring import continuation
from core.hooks import ScaleHead, intervene
from core.model.load import load_model
from core.prompts.arithmetic import FORMS, Prompt, digit_kinds, make_prompts
from tests.some import some


def by_generation(lm, q) -> bool:
    """Decodes token by token without a cache, the plainest way."""
    ids = list(q.ids)
    for _ in q.answer:
        ids.append(int(lm.logits(ids)[-1].argmax()))
    return ids[len(q.ids) :] == q.answer


@pytest.mark.parametrize("ends", [False, True])
@pytest.mark.parametrize("off", [False, True])
def test_equals_greedy_generation(bundled, ends, off):
    prompts = make_prompts(digits=[1, 2, 3], forms=FORMS, templates=range(4), count=5, seed=2)
    questions = [question(bundled, p, ends) for p in prompts]
    if off:
        with intervene(bundled, ScaleHead(4, 0, 0.0), ScaleHead(3, 3, 0.0)):
            forced, real = are_right(bundled, questions), [by_generation(bundled, q) for q in questions]
    else:
        forced, real = are_right(bundled, questions), [by_generation(bundled, q) for q in questions]
    assert forced == real
    assert len(set(forced)) == 2  # some right, some wrong, or the test says nothing


def test_on_every_architecture(any_model):
    questions = [question(any_model, p) for p in make_prompts(count=3)]
    for q in questions:  # make some of them right, whatever the random model says
        q.answer[:] = continue_greedily(any_model, any_model.decode(q.ids[1:]), 2)
    assert are_right(any_model, questions) == [by_generation(any_model, q) for q in questions]


def test_generation_with_and_without_cache_agree(bundled):
    for text in "3+5=", "34+28=", "The sum of seventy three and nine is":
        ids = bundled.encode(text)
        plain = list(ids)
        for _ in range(6):
            plain.append(int(bundled.logits(plain)[-1].argmax()))
            if plain[-1] == bundled.tokenizer.eos_token_id:
                break
        assert continue_greedily(bundled, text, 6) == plain[len(ids) :]


def test_the_end_is_checked_only_when_asked(bundled):
    prompt = Prompt("+", 3, 5, 1, "digits", 3)
    plain, ended = question(bundled, prompt), question(bundled, prompt, ends=True)
    assert ended.answer == [*plain.answer, bundled.tokenizer.eos_token_id]
    assert bundled.decode(plain.answer) == "8"


def test_kinds_line_up_with_tokens(bundled):
    q = question(bundled, Prompt("+", 57, 28, 2, "digits", 3))
    assert bundled.decode(q.answer) == "85"
    assert q.kinds == ["change-one", "memorize"]
    assert question(bundled, Prompt("+", 57, 28, 2, "words", 3)).kinds == [None, None]


def test_greedy_tokens_are_told_for_each_place(bundled):
    q = question(bundled, Prompt("+", 57, 28, 2, "digits", 3))
    ids = q.ids + q.answer[:-1]
    assert greedy_tokens(bundled, [q])[0] == bundled.logits(ids).argmax(-1)[len(q.ids) - 1 :].tolist()


def test_int8_agrees_with_single_runs(checkpoints):
    lm = load_model(checkpoints("llama"), "int8")
    questions = [question(lm, p) for p in make_prompts(count=2)]
    for q, tokens in some(zip(questions, greedy_tokens(lm, questions), strict=True)):
        alone = lm.logits(q.ids + q.answer[:-1]).argmax(-1)[len(q.ids) - 1 :]
        assert torch.equal(torch.tensor(tokens), alone)


def test_the_last_place_of_the_context_can_be_filled(bundled):
    full = "3 " * (bundled.n_context - 2)
    assert len(bundled.encode(full)) == bundled.n_context - 1
    assert len(continue_greedily(bundled, full, 1)) == 1
    assert continue_greedily(bundled, full + "3", 0) == []


def test_too_long(bundled):
    with pytest.raises(UserError, match="at most"):
        continue_greedily(bundled, "3 " * 120, 50)


def test_the_text_that_is_too_long_is_named(bundled, monkeypatch):
    room = bundled.n_context
    full, prompt = "3 " * (room - 1), Prompt("+", 34, 28, 2, "digits", 3)
    longest = "The prompt and its answer have [0-9]+ tokens; this model reads at most [0-9]+. Shorten the prompt."
    with pytest.raises(UserError, match="^The prompt has [0-9]+ tokens; .* Shorten it"):
        bundled.encode(full + full)
    with pytest.raises(UserError, match=longest):
        continue_greedily(bundled, full, 8)
    with monkeypatch.context() as patch:
        patch.setattr(bundled, "n_context", len(bundled.encode(prompt.text)))
        with pytest.raises(UserError, match=longest):
            question(bundled, prompt)
    with pytest.raises(UserError, match="The longest prompt and its answer have"):
        TrainingRows.of(bundled, [prompt], room + 1)
    with pytest.raises(UserError, match="The prompt and its continuation have"):
        continuation(bundled, full, "3 3 3")
    with pytest.raises(UserError, match="The prompt and its continuation have"):
        continue_sampled(bundled, full)


def test_a_negative_difference_is_a_question(bundled):
    """Was: a bare ValueError, because the sign was taken for a digit."""
    q = question(bundled, Prompt("-", 3, 5, 1, "digits", 3))
    assert bundled.decode(q.answer).replace(" ", "") == "-2"
    assert [kind for kind in q.kinds if kind] == ["memorize"]
    assert q.kinds[0] is None
    q = question(bundled, Prompt("-", 12, 49, 2, "digits", 3))  # 49 - 12, without a borrow
    assert [kind for kind in q.kinds if kind] == ["memorize", "memorize"]
    assert digit_kinds("-", 26, 57) == digit_kinds("-", 57, 26) == ["memorize", "memorize"]
    assert digit_kinds("-", 28, 55) == digit_kinds("-", 55, 28) == ["change-one", "memorize"]
