"""Two-digit data with negative results, its rows of tokens, and what goes into a layer."""

import pytest
import torch

from core.errors import UserError
from core.forward.answers import Question, are_right, question
from core.forward.layer_inputs import LayerInputs, right_answers
from core.forward.record import record
from core.forward.rows import TrainingRows
from core.hooks import ScaleHead, intervene
from core.prompts.signed_arithmetic import GROUPS, cases, group_of, negative_data
from tests.some import some


def test_every_case_once():
    everything = cases(2)
    assert len(everything) == len(set(everything)) == 2 * 8100 + 900 + 254
    assert sum(p.result < 0 for p in everything) == 90 * 89 // 2
    negative = next(p for p in everything if (p.operation, p.first, p.second) == ("-", 12, 49))
    assert (negative.text, negative.answer, group_of(negative)) == ("12 - 49 =", "-37", "- negative")
    assert len(cases(1)) == 100 + 100 + 100 + 32


def test_the_split_is_seeded_and_apart():
    one, again, other = (negative_data(2000, 500, seed) for seed in (3, 3, 4))
    assert one == again != other
    assert len(one.train) == 2000
    assert len(one.test) == 500
    assert not set(one.train) & set(one.test)
    assert {group_of(p) for p in one.test} == set(GROUPS)
    assert negative_data(None, 500, 3).test == one.test  # more training prompts leave the test as it is


@pytest.mark.parametrize(("n_train", "n_test"), [(0, 10), (10, 0), (17000, 1000), (None, 20000)])
def test_splits_that_do_not_exist(n_train, n_test):
    with pytest.raises(UserError, match="17354"):
        negative_data(n_train, n_test)


def test_rows(bundled):
    prompts = [p for p in cases(2) if (p.first, p.second) in ((12, 49), (90, 12))]
    rows = TrainingRows.of(bundled, prompts)
    for i, prompt in enumerate(some(prompts)):
        ids = bundled.encode(prompt.text)
        answer = bundled.encode_answer(prompt.answer)
        places = rows.answer[i].nonzero()[:, 0].tolist()
        assert rows.ids[i, : len(ids) + len(answer)].tolist() == ids + answer
        assert places == list(range(len(ids) - 1, len(ids) + len(answer) - 1))
        assert rows.wanted[i, places].tolist() == answer
        (end,) = rows.end[i].nonzero()[:, 0].tolist()
        assert end == places[-1] + 1
        assert int(rows.wanted[i, end]) == bundled.tokenizer.eos_token_id
    with pytest.raises(UserError, match="no prompt"):
        TrainingRows.of(bundled, [])


def test_layer_inputs_are_those_of_single_runs(any_model):
    """Padded, batched, moved up layer by layer or at once: the same as one prompt alone."""
    prompts = cases(2)[::1500]
    rows = TrainingRows.of(any_model, prompts, length=14)
    inputs = LayerInputs(any_model, rows)
    for layer in (0, 1, 2):
        inputs.move_to(layer)
        direct = LayerInputs(any_model, rows)
        direct._keeps = False
        direct.move_to(layer)
        every = torch.arange(len(rows))
        assert torch.equal(direct.of(every), inputs.of(every)) or torch.allclose(direct.of(every), inputs.of(every))
        for i, prompt in enumerate(some(prompts)):
            ids = any_model.encode(prompt.text)
            wanted = record(any_model, ids).resid_pre[layer]
            assert torch.allclose(inputs.of(every)[i, : len(ids)], wanted, atol=1e-3, rtol=1e-3)
    inputs.move_to(1)  # back down
    last = inputs.through(any_model, every)
    ids = any_model.encode(prompts[0].text)
    logits = any_model.modules.logits(last)[0, len(ids) - 1]
    assert torch.allclose(logits, any_model.logits(ids)[-1], atol=1e-2, rtol=1e-3)


def test_right_answers_are_those_of_greedy_decoding(bundled):
    prompts = negative_data(10, 120, 0).test
    rows = TrainingRows.of(bundled, prompts)
    questions = [
        Question(bundled.encode(p.text), bundled.encode_answer(p.answer), [None] * len(p.answer)) for p in prompts
    ]
    found = right_answers(bundled, LayerInputs(bundled, rows))
    assert found.tolist() == are_right(bundled, questions)
    assert len(set(found.tolist())) == 2  # the base knows some and not others


def test_right_answers_end(bundled, arithmetic_head):
    """Without the head that reads the operands, some answers go on to another number."""
    prompts = cases(1, ["+", "*"])
    rows, questions = TrainingRows.of(bundled, prompts), [question(bundled, p) for p in prompts]
    with intervene(bundled, ScaleHead(*arithmetic_head, 0.0)):
        found = {ends: right_answers(bundled, LayerInputs(bundled, rows), ends).tolist() for ends in (True, False)}
        for ends, right in some(found.items()):
            assert right == are_right(bundled, questions, ends=ends)
    assert sum(found[False]) > sum(found[True]) > 0
