"""Answers and accuracy with and without some heads."""

import pytest

from core.errors import UserError
from core.forward.answers import SCORINGS
from core.forward.generate import continue_greedily
from core.heads.accuracy import sweep_accuracy
from core.heads.before_after import before_and_after
from core.hooks import ScaleHead, intervene
from core.progress import Stopped
from core.prompts.arithmetic import OPERATIONS, make_prompts
from tests.some import some

PROMPTS = ["3+5=", "34+28=", "92-47="]


def test_answers_are_those_of_greedy_decoding(bundled):
    heads = [(3, 0), (4, 1)]
    found = before_and_after(bundled, heads, PROMPTS, count=5)

    def decoded(prompt):
        return bundled.decode([i for i in continue_greedily(bundled, prompt, 8) if i not in bundled.ends])

    with intervene(bundled, *(ScaleHead(*head, 0.0) for head in heads)):
        without = [decoded(p) for p in PROMPTS]
    frame = found.to_frame()
    assert frame["prompt"].tolist() == PROMPTS
    assert frame["after"].tolist() == without
    assert frame["before"].tolist() == [decoded(p) for p in PROMPTS]
    assert frame["before"].iloc[0] == "8"
    assert frame["same"].tolist() == [a == b for a, b in zip(frame["before"], without, strict=True)]


def test_accuracy_is_that_of_the_sweep(bundled):
    found = before_and_after(bundled, [(4, 1)], PROMPTS[:1], count=10)
    sweeps = {o: sweep_accuracy(bundled, make_prompts([o], [2], count=10)) for o in OPERATIONS}
    for scoring in SCORINGS:
        frame = found.accuracy_frame(scoring)
        assert frame["operation"].tolist() == list(OPERATIONS)
        for row in some(frame.itertuples()):
            original, ablated = sweeps[row.operation].accuracy(scoring=scoring)
            assert (row.before, row.after) == pytest.approx((original, float(ablated[4, 1])))
            assert row.count == int(sweeps[row.operation].cases(scoring=scoring).sum()) >= 10


def test_a_stop_keeps_the_answers_so_far(bundled):
    def stop(done, total):
        if done == 2:
            raise Stopped

    found = before_and_after(bundled, [(4, 1)], PROMPTS, 5, stop)
    assert [a.prompt for a in found.answers] == PROMPTS[:2]
    assert found.accuracy_frame().empty


def test_a_head_that_does_not_exist(bundled):
    with pytest.raises(UserError, match="99"):
        before_and_after(bundled, [(0, 99)], PROMPTS)
