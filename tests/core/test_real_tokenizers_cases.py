"""Answer tokens as cases, on tokenizers with one, two or three digits a token, with and without a blank before them.

What is right is worked out with transformers alone (tests.tokenizers.by_hand, tests.plain).
"""

import pytest

from core.ablation.cases import CaseSet, comparing_heads
from core.ablation.mask_keep import mask_and_keep
from core.forward.answers import are_right, greedy_tokens, question, token_cases
from core.hooks import ScaleHead, intervene
from core.lora.prune import find_to_keep
from core.prompts.arithmetic import FORMS, Prompt, make_prompts
from tests import plain
from tests.dense import dense_comparison
from tests.some import some
from tests.tokenizers.by_hand import answer_tokens, slightly_changed, visible_cases, written

SUMS = [Prompt("+", 9, 8, 1, "digits", 3), Prompt("+", 3, 5, 1, "digits", 3), Prompt("-", 12, 5, 1, "digits", 3)]
HEADS = [(1, 0), (1, 2)]
LOWEST = [(0, head) for head in range(4)]


def test_questions_have_the_tokenizers_own_tokens(on_tokenizer):
    lm = on_tokenizer
    prompts = make_prompts(digits=(1, 2, 3), forms=FORMS, templates=range(4), count=12)
    questions = [question(lm, prompt) for prompt in prompts]
    for prompt, asked in some(zip(prompts, questions, strict=True)):
        ids, answer = answer_tokens(lm.tokenizer, prompt)
        assert (asked.ids, asked.answer) == (ids, answer)
        assert lm.tokenizer.decode(answer).strip() == prompt.answer
    found = [(case.number, case.ids, case.token) for case in token_cases(lm, questions)]
    assert found == visible_cases(lm.tokenizer, prompts)


ONE_DIGIT = {"mistral", "tekken", "qwen2"}


@pytest.mark.parametrize(("operation", "digits"), [("+", 145), ("-", 100), ("*", 158), ("/", 90)])
def test_as_many_cases_as_the_paper_where_a_token_is_a_digit(on_tokenizer, operation, digits):
    """Tables 24 to 27; a token of several digits is one case, so there every answer is."""
    name = next(part for part in ("mistral", "tekken", "llama3", "gpt2", "qwen2") if part in on_tokenizer.name)
    prompts = make_prompts([operation], digits=[1])
    cases = CaseSet.of(on_tokenizer, prompts)
    assert len(cases) == (digits if name in ONE_DIGIT else len(prompts))
    assert "".join(text.strip() for text in cases.texts) == "".join(prompt.answer for prompt in prompts)


def test_right_is_what_the_model_writes(answering):
    """One digit, which it learned, and two, which it did not."""
    prompts = make_prompts(["+", "-"], digits=[1, 2], count=15, templates=(0, 3))
    right = are_right(answering, [question(answering, prompt) for prompt in prompts])
    wanted = [written(answering, prompt.text) == prompt.answer for prompt in prompts]
    assert right == wanted
    assert {True, False} == set(wanted)


def test_each_place_of_an_answer_without_heads(answering):
    """Teacher forcing: after the right tokens before it, whatever the model would have written."""
    prompts = make_prompts(["+"], digits=[1], count=12)
    with intervene(answering, *(ScaleHead(*head, 0.0) for head in LOWEST)):
        found = greedy_tokens(answering, [question(answering, prompt) for prompt in prompts])
    changed = 0
    for prompt, tokens in some(zip(prompts, found, strict=True)):
        ids, answer = answer_tokens(answering.tokenizer, prompt)
        runs = [plain.run(answering.model, ids + answer[:place], LOWEST) for place in range(len(answer))]
        assert tokens == [int(run.logits.argmax()) for run in runs]
        changed += tokens != answer
    assert changed > 0


def test_mask_and_keep_judge_each_token_by_its_own_neurons(blank_model):
    lm, k = blank_model, 15
    found = mask_and_keep(lm, SUMS, comparing_heads(lm, HEADS, k), 1, ks=(k,))
    deep = {(layer, n) for layer in range(1, lm.n_layers) for n in range(lm.n_neurons)}
    cases = visible_cases(lm.tokenizer, SUMS)
    assert [lm.tokenizer.decode([token]) for *_, token in cases] == ["1", "7", "8", "7"]
    verdicts = []
    for i, (_, ids, token) in enumerate(some(cases)):
        assert bool(found.measured[i]) == (plain.next_token(lm.model, ids) == token)
        top = set(dense_comparison(lm, list(ids), HEADS, k, token).pairs)
        for right, off in ((found.mask, top), (found.keep, deep - top)):
            with plain.without_neurons(lm.model, off):
                verdicts.append(plain.next_token(lm.model, ids) == token)
            assert bool(right[i, 0]) == verdicts[-1]
    assert found.measured.all()


def test_neurons_to_keep_are_those_of_each_answer_token(blank_model):
    """In both directions, as the change is one from each model's own scale."""
    lm, most = blank_model, 8
    tuned = slightly_changed(lm, 0, 0.1)
    found = find_to_keep(lm, tuned, 2, most, SUMS)
    cases = visible_cases(lm.tokenizer, SUMS)
    assert found.measured == len(cases) == 4
    rankings = iter(found.rankings)
    for _, ids, token in some(cases):
        for one, two in ((lm, tuned), (tuned, lm)):
            runs = [plain.run(model.model, ids) for model in (one, two)]
            first, second = (
                plain.importances(model.model, run, token, runs[0])[2:]
                for model, run in zip((one, two), runs, strict=True)
            )
            change = (first - second).flatten().sort(descending=True)
            wanted = [divmod(int(i), lm.n_neurons) for i in change.indices[:most]]
            assert change.values[most - 1] > 0
            assert next(rankings) == [(layer + 2, neuron) for layer, neuron in wanted]
    assert next(rankings, None) is None
