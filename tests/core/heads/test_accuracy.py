"""A sweep scored by answer tokens and by whole answers, against asking the intervened model each question."""

import numpy as np
import pytest
import torch

from core.forward.answers import SCORINGS, are_right, greedy_tokens, question, verdicts
from core.heads.accuracy import sweep_accuracy
from core.hooks import ScaleHead, intervene
from core.progress import Stopped
from core.prompts.arithmetic import FORMS, OPERATIONS, make_prompts
from core.statistics.intervals import samples
from tests.some import some
from tests.told_models import BLANK, PIECES, predicting


@pytest.fixture(scope="module")
def prompts():
    return make_prompts(digits=[1, 2], forms=FORMS, templates=range(4), count=4)


@pytest.fixture(scope="module")
def swept(bundled, prompts):
    return sweep_accuracy(bundled, prompts)


@pytest.mark.parametrize("scoring", SCORINGS)
def test_accuracy_equals_intervening_and_asking(bundled, arithmetic_heads, prompts, swept, scoring):
    questions = [question(bundled, p) for p in prompts]
    baseline, right = swept.right(scoring)
    assert baseline.tolist() == verdicts(bundled, questions, greedy_tokens(bundled, questions, beyond=True), scoring)
    for layer, head in [(0, 0), (7, 7), *arithmetic_heads[:2], arithmetic_heads[-1]]:
        with intervene(bundled, ScaleHead(layer, head, 0.0)):
            found = verdicts(bundled, questions, greedy_tokens(bundled, questions, beyond=True), scoring)
        assert right[:, layer, head].tolist() == found
    original, values = swept.accuracy(scoring=scoring)
    assert original == pytest.approx(baseline.float().mean().item())
    assert torch.allclose(values, right.float().mean(0))
    frame = swept.to_frame(scoring)
    assert len(frame) == 8 * bundled.n_layers * bundled.n_heads
    assert frame["prompts"].eq(4).all()
    assert frame["scoring"].eq(scoring).all()
    assert frame.groupby(["operation", "digits"])["cases"].first().sum() == len(baseline)


def test_tokens_against_a_plain_loop(bundled, arithmetic_head, prompts, swept):
    """One run of the intervened model for each answer token, after the right tokens before it."""
    layer, head = arithmetic_head
    right = []
    with intervene(bundled, ScaleHead(layer, head, 0.0)):
        for prompt in some(prompts):
            ids = bundled.encode(prompt.text)
            for token in bundled.encode_answer(prompt.answer):
                right.append(int(bundled.logits(ids)[-1].argmax()) == token)
                ids = [*ids, token]
    assert swept.right("tokens")[1][:, layer, head].tolist() == right
    assert swept.accuracy(scoring="tokens")[1][layer, head] == pytest.approx(sum(right) / len(right))
    assert 0 < sum(right) < len(right)


def test_some_prompts_by_themselves(bundled, prompts, swept):
    chosen = [i for i, p in enumerate(prompts) if p.operation == "*"]
    alone = sweep_accuracy(bundled, [prompts[i] for i in chosen])
    for scoring in SCORINGS:
        assert int(swept.cases(chosen, scoring).sum()) == len(alone.right(scoring)[0])
        for one, other in some(zip(swept.accuracy(chosen, scoring), alone.accuracy(scoring=scoring), strict=True)):
            assert torch.equal(torch.as_tensor(one), torch.as_tensor(other))


@pytest.mark.parametrize("scoring", SCORINGS)
def test_the_decrease_of_a_head_has_an_interval_over_prompts(bundled, arithmetic_head, prompts, swept, scoring):
    chosen = [i for i, p in enumerate(prompts) if p.operation == "+"]
    found = swept.decrease(*arithmetic_head, chosen, scoring)
    original, values = swept.accuracy(chosen, scoring)
    assert found.value == pytest.approx((original - float(values[arithmetic_head])) / original)
    assert found.low < found.value < found.high
    assert np.isnan(swept.decrease(*arithmetic_head, chosen[:1], scoring).low)


def test_an_interval_draws_prompts_not_tokens(arithmetic_head, prompts, swept):
    """Against a loop: each draw takes a prompt with all of its answer tokens."""
    baseline, right = swept.right("tokens")
    right = right[:, *arithmetic_head]
    of_prompt = [p for p, visible in zip(swept.token_prompt, swept.token_visible, strict=True) if visible]
    rows = [[i for i, p in enumerate(of_prompt) if p == number] for number in range(len(prompts))]
    draws = []
    for times in some(samples(len(prompts))[1:].int().tolist()):
        mine = [i for number, n in enumerate(times) for i in rows[number] * n]
        draws.append(1 - int(right[mine].sum()) / int(baseline[mine].sum()))
    found = swept.decrease(*arithmetic_head, scoring="tokens")
    assert (found.low, found.high) == pytest.approx(tuple(np.percentile(draws, [2.5, 97.5])))


def test_the_decrease_of_a_probability(arithmetic_head, swept):
    found = swept.probability_decrease(*arithmetic_head)
    wanted = 1 - float(swept.probability[:, *arithmetic_head].mean() / swept.probability_baseline.mean())
    assert found.value == pytest.approx(wanted, rel=1e-4)
    assert found.low < found.value < found.high


def test_groups_are_the_prompts_by_operation_and_digits(prompts, swept):
    groups = swept.groups()
    assert list(groups) == [(o, d) for o in OPERATIONS for d in (1, 2)]
    assert sorted(i for members in groups.values() for i in members) == list(range(len(prompts)))


def test_a_digit_after_the_answer_makes_it_wrong(bundled, arithmetic_heads):
    """Without some head the model says "12" where "1" is right: only the open scoring takes that for right."""
    prompts = make_prompts(digits=[1])
    swept = sweep_accuracy(bundled, prompts)
    ended, open_answers = (swept.right(scoring)[1] for scoring in ("answers", "open answers"))
    assert not (ended & ~open_answers).any()
    number, layer, head = (open_answers & ~ended).nonzero()[0].tolist()
    with intervene(bundled, ScaleHead(layer, head, 0.0)):
        q = question(bundled, prompts[number])
        following = bundled.token(int(bundled.logits(q.ids + q.answer)[-1].argmax()))
        assert are_right(bundled, [q], ends=False) == [True]
        assert are_right(bundled, [q]) == [False]
    assert following.isdigit()


WHOLE_NUMBERS = tuple(str(n) for n in range(10, 82))


@pytest.mark.parametrize(
    ("joined", "cases"), [((), [145, 100, 158, 90]), (WHOLE_NUMBERS, [100, 100, 100, 90])], ids=["digits", "numbers"]
)
def test_cases_of_one_digit(tmp_path, joined, cases):
    """As many as the paper's, where a token is one digit: a blank before an answer is no case."""
    follows = {BLANK: PIECES.index("8"), PIECES.index("8"): 2}
    lm = predicting(tmp_path, follows, joined)
    for operation, n in zip(OPERATIONS, cases, strict=True):
        prompts = make_prompts([operation], [1])
        swept = sweep_accuracy(lm, prompts)
        assert int(swept.cases(scoring="tokens").sum()) == n
        assert int(swept.cases(scoring="answers").sum()) == len(prompts)
        first = [p.answer if joined else p.answer[0] for p in prompts]
        eights = first.count("8")  # the model says 8 behind each blank, then ends
        assert swept.accuracy(scoring="tokens")[0] == pytest.approx(eights / n)
        assert swept.accuracy(scoring="answers")[0] == pytest.approx(
            sum(p.answer == "8" for p in prompts) / len(prompts)
        )


def test_kinds_count_each_digit_once(bundled):
    prompts = make_prompts(["+"], digits=[2], count=20)
    frame = sweep_accuracy(bundled, prompts).kinds_frame(3, 3)
    assert frame["count"].sum() == sum(len(p.answer) for p in prompts)


def test_a_stop_leaves_whole_prompts(bundled):
    prompts = make_prompts(digits=[1, 2], count=20)

    def stop(done, total):
        if done >= total / 2:
            raise Stopped

    part, whole = sweep_accuracy(bundled, prompts, stop), sweep_accuracy(bundled, prompts)
    assert 0 < int(part.measured.sum()) < len(prompts)
    for scoring in SCORINGS:
        kept = part.cases(scoring=scoring)
        assert torch.equal(part.right(scoring)[0][kept], whole.right(scoring)[0][kept])
        assert torch.equal(part.right(scoring)[1][kept], whole.right(scoring)[1][kept])
