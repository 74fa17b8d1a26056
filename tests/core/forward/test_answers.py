"""Teacher forcing against real greedy generation."""

import re

import pytest
import torch

from core.errors import UserError
from core.forward.answers import are_right, greedy_tokens, question, token_cases, verdicts
from core.forward.generate import continue_greedily, continue_sampled
from core.forward.rows import TrainingRows
from core.forward.scoring import continuation
from core.hooks import ScaleHead, intervene
from core.model.load import load_model
from core.prompts.arithmetic import FORMS, Prompt, digit_kinds, make_prompts
from tests.some import some
from tests.told_models import BLANK, EIGHT, PIECES, predicting


def by_generation(lm, q) -> bool:
    """Decodes token by token without a cache, the plainest way."""
    ids = list(q.ids)
    for _ in q.answer:
        ids.append(int(lm.logits(ids)[-1].argmax()))
    return ids[len(q.ids) :] == q.answer


@pytest.mark.parametrize("end", [False, True])
@pytest.mark.parametrize("off", [False, True])
def test_equals_greedy_generation(bundled, end, off):
    prompts = make_prompts(digits=[1, 2, 3], forms=FORMS, templates=range(4), count=5, seed=2)
    questions = [question(bundled, p, end) for p in prompts]
    with intervene(bundled, *([ScaleHead(4, 0, 0.0), ScaleHead(3, 3, 0.0)] if off else [])):
        forced = are_right(bundled, questions, ends=False)
        real = [by_generation(bundled, q) for q in questions]
    assert forced == real
    assert len(set(forced)) == 2  # some right, some wrong, or the test says nothing


def generated(lm, prompt: str, n_tokens: int) -> str:
    """What greedy decoding writes, by transformers alone."""
    ids = lm.tokenizer(prompt, return_tensors="pt")["input_ids"]
    begin = ids.shape[1]
    for _ in range(n_tokens):
        best = lm.model(ids).logits[0, -1].argmax()
        if int(best) == lm.tokenizer.eos_token_id:
            break
        ids = torch.cat([ids, best.view(1, 1)], 1)
    return lm.tokenizer.decode(ids[0, begin:])


def says(lm, prompt: Prompt) -> bool:
    """Whether the text that greedy decoding writes begins with the answer, and no digit follows it."""
    text = generated(lm, prompt.text, len(prompt.answer) + 2)
    return re.match(rf"\s*{prompt.answer}(?![.,]?\d)", text) is not None


def test_whole_answers_end_in_greedy_generation(bundled, arithmetic_heads):
    """Without the head that reads the operands, the model says other numbers, some of which begin with the answer."""
    prompts = make_prompts(digits=[1])
    questions = [question(bundled, p) for p in prompts]
    longer = 0
    for head in some(arithmetic_heads[:3]):
        with intervene(bundled, ScaleHead(*head, 0.0)):
            ended, open_answers = are_right(bundled, questions), are_right(bundled, questions, ends=False)
            assert ended == [says(bundled, p) for p in some(prompts)]
        longer += sum(open_answers) - sum(ended)
    assert longer > 10


@pytest.mark.parametrize(
    ("behind_eight", "right"), [("</s>", True), ("2", False), ("+", True), ("\u2581", True), (".", True)]
)
def test_a_number_that_goes_on(tmp_path, behind_eight, right):
    """After "3 + 5 =" the model says a blank, 8, and what the test tells it to."""
    lm = predicting(tmp_path, {BLANK: EIGHT, EIGHT: PIECES.index(behind_eight)})
    prompt = Prompt("+", 3, 5, 1, "digits", 3)
    q = question(lm, prompt)
    assert lm.decode(q.answer).strip() == "8"
    assert are_right(lm, [q]) == [right] == [says(lm, prompt)]
    assert are_right(lm, [q], ends=False) == [True]
    assert verdicts(lm, [q], greedy_tokens(lm, [q]), "tokens") == [True]


def test_a_number_word_that_goes_on(bundled):
    """The right answer "forty" to 36 + 4, and a model that goes on to "forty two"."""
    q = question(bundled, Prompt("+", 36, 4, 2, "words", 3))
    assert bundled.decode(q.answer) == "forty"
    assert are_right(bundled, [q]) == [True]
    found = [[*q.answer, bundled.encode_answer(text)[0]] for text in ("two", "plus")]
    assert [verdicts(bundled, [q], [tokens], "answers") for tokens in found] == [[False], [True]]
    assert verdicts(bundled, [q], found[:1], "open answers") == [True]


def test_on_every_architecture(any_model):
    questions = [question(any_model, p) for p in make_prompts(count=3)]
    for q in questions:  # make some of them right, whatever the random model says
        q.answer[:] = continue_greedily(any_model, any_model.decode(q.ids[1:]), 2)
    assert are_right(any_model, questions, ends=False) == [by_generation(any_model, q) for q in questions]


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
    plain, ended = question(bundled, prompt), question(bundled, prompt, then_end_of_text=True)
    assert ended.answer == [*plain.answer, bundled.tokenizer.eos_token_id]
    assert bundled.decode(plain.answer) == "8"


def test_kinds_line_up_with_tokens(bundled):
    q = question(bundled, Prompt("+", 57, 28, 2, "digits", 3))
    assert bundled.decode(q.answer) == "85"
    assert q.kinds == ["change-one", "memorize"]
    assert question(bundled, Prompt("+", 57, 28, 2, "words", 3)).kinds == [None, None]


PAIRS = tuple(str(n) for n in range(10, 100))


@pytest.mark.parametrize(
    ("joined", "prompt", "kinds"),
    [
        ((), Prompt("+", 57, 28, 2, "digits", 3), ["change-one", "memorize"]),
        (PAIRS, Prompt("+", 57, 28, 2, "digits", 3), ["change-one"]),  # 85: the carry reaches the 8
        (PAIRS, Prompt("+", 21, 34, 2, "digits", 3), ["memorize"]),
        (PAIRS, Prompt("-", 52, 28, 2, "digits", 3), ["change-one"]),
        (PAIRS, Prompt("-", 12, 49, 2, "digits", 3), ["memorize"]),  # the sign is no case of its own
        ((), Prompt("*", 23, 9, 2, "digits", 3), ["change-one", "change-one", "memorize"]),
        (PAIRS, Prompt("*", 23, 9, 2, "digits", 3), ["change-one", "memorize"]),  # 20 7 or 2 07
        (PAIRS, Prompt("*", 23, 4, 2, "digits", 3), ["memorize"]),
        (PAIRS, Prompt("/", 92, 4, 2, "digits", 3), ["memorize"]),
    ],
)
def test_kinds_of_tokens_with_several_digits(tmp_path, joined, prompt, kinds):
    lm = predicting(tmp_path, {}, joined, 16)
    q = question(lm, prompt)
    assert [kind for kind in q.kinds if kind] == kinds
    assert [kind is not None for kind in q.kinds] == [any(c.isdecimal() for c in lm.token(t)) for t in q.answer]


def test_greedy_tokens_are_told_for_each_place(bundled):
    q = question(bundled, Prompt("+", 57, 28, 2, "digits", 3))
    best = bundled.logits(q.ids + q.answer).argmax(-1)[len(q.ids) - 1 :].tolist()
    assert greedy_tokens(bundled, [q]) == [best[:-1]]
    assert greedy_tokens(bundled, [q], beyond=True) == [best]


def test_tokens_of_an_answer_are_cases_of_their_own(bundled):
    """A wrong first token leaves the second one right, after the right first one."""
    q = question(bundled, Prompt("+", 57, 28, 2, "digits", 3))
    wrong = [[q.answer[0] + 1, q.answer[1], 1]]
    assert verdicts(bundled, [q], wrong, "tokens") == [False, True]
    assert verdicts(bundled, [q], wrong, "answers") == verdicts(bundled, [q], wrong, "open answers") == [False]
    assert [case.kind for case in token_cases(bundled, [q])] == ["change-one", "memorize"]


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
