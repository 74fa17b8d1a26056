"""A record of one run and its beginnings."""

from dataclasses import fields

import torch

from core.forward.record import record, record_prompt
from core.hooks import own_hooks
from tests.some import some
from tests.told_models import BLANK, EIGHT, EQUALS, predicting


def test_until_is_the_shorter_prompt(any_model):
    ids = any_model.encode("3 + 5 = 8")
    run, short = record(any_model, ids).until(3), record(any_model, ids[:4])
    assert run.ids == short.ids
    for name in some(f.name for f in fields(run) if f.name != "ids"):
        assert getattr(run, name).shape == getattr(short, name).shape
        assert torch.allclose(getattr(run, name), getattr(short, name), atol=1e-3, rtol=1e-3)


def assert_equal(one, other):
    assert one.ids == other.ids
    for name in some(f.name for f in fields(one) if f.name != "ids"):
        assert torch.equal(getattr(one, name), getattr(other, name)), name


def runs_during(lm, work):
    """How often the model runs, and what came of the work."""
    runs = []
    with own_hooks(before=[(lm.modules.layers[0], lambda value: runs.append(value.shape[1]))]):
        result = work()
    return runs, result


def test_a_prompt_is_recorded_by_the_run_that_shows_its_answer(any_model):
    lengths, run = runs_during(any_model, lambda: record_prompt(any_model, "3+5="))
    assert lengths == [len(run.ids)]
    assert_equal(run, record(any_model, any_model.prompt_ids("3+5=")))
    assert_equal(record_prompt(any_model, run.ids[:3]), record(any_model, run.ids[:3]))


def test_a_prompt_whose_answer_begins_with_blanks_is_recorded_after_them(tmp_path):
    lm = predicting(tmp_path, {EQUALS: BLANK, BLANK: EIGHT})
    lengths, run = runs_during(lm, lambda: record_prompt(lm, "3+5="))
    assert run.ids[-1] == BLANK
    assert lengths == [len(run.ids) - 1, len(run.ids)]
    assert_equal(run, record(lm, lm.prompt_ids("3+5=")))
