"""One head by number of digits and kind of digit, against other ways to the same numbers."""

import pytest

from core.errors import UserError
from core.forward.answers import SCORINGS, are_right, question
from core.heads.accuracy import sweep_accuracy
from core.heads.one_head import measure_head
from core.hooks import ScaleHead, intervene
from core.progress import Stopped
from core.prompts.arithmetic import OPERATIONS, make_prompts
from tests.some import some

HEAD, COUNT = (4, 1), 10


@pytest.fixture(scope="module")
def measured(bundled):
    return measure_head(bundled, HEAD, COUNT)


def test_accuracy_is_that_of_the_questions_asked_alone(bundled, measured):
    frame = measured.digits_frame()
    assert list(zip(frame["operation"], frame["group"], strict=True)) == [
        (o, f"{d}D") for o in OPERATIONS for d in (1, 2, 3)
    ]
    for row in some(frame.itertuples()):
        questions = [question(bundled, p) for p in make_prompts([row.operation], [int(row.group[0])], count=COUNT)]
        with intervene(bundled, ScaleHead(*HEAD, 0.0)):
            ablated = [are_right(bundled, [q])[0] for q in questions]
        assert row.count == len(questions)
        assert row.ablated == pytest.approx(sum(ablated) / len(questions))
        assert row.baseline == pytest.approx(sum(are_right(bundled, questions)) / len(questions))


def test_kinds_are_those_of_the_sweep(bundled, measured):
    prompts = [p for o in OPERATIONS for p in make_prompts([o], [2], count=COUNT)]
    swept = sweep_accuracy(bundled, prompts).kinds_frame(*HEAD).set_index(["operation", "kind"])
    mine = measured.kinds_frame().set_index(["operation", "group"])
    assert len(mine) == len(swept) >= 4
    assert mine["baseline"].to_dict() == pytest.approx(swept["baseline"].to_dict())
    assert mine["ablated"].to_dict() == pytest.approx(swept["accuracy"].to_dict())
    assert mine["count"].to_dict() == swept["count"].to_dict()
    assert mine["decrease"].to_dict() == pytest.approx(swept["decrease"].to_dict(), nan_ok=True)
    lengths = measured.answer_lengths
    assert sum(lengths.values()) == len(prompts)
    assert lengths == {n: sum(len(p.answer) == n for p in prompts) for n in sorted({len(p.answer) for p in prompts})}


def test_every_scoring_is_that_of_the_sweep(bundled, measured):
    for operation in OPERATIONS:
        swept = sweep_accuracy(bundled, make_prompts([operation], [1], count=COUNT))
        for scoring in SCORINGS:
            (row,) = [r for r in measured.by_digits[scoring] if (r.operation, r.group) == (operation, "1D")]
            original, ablated = swept.accuracy(scoring=scoring)
            assert (row.baseline, row.ablated) == pytest.approx((original, float(ablated[HEAD])))
            assert row.count == int(swept.cases(scoring=scoring).sum())
            assert row.decrease == swept.decrease(*HEAD, scoring=scoring)


def test_the_table_holds_all(measured):
    frame = measured.to_frame()
    for scoring in SCORINGS:
        assert (frame["of"] == scoring).sum() == 12
    assert (frame["of"] == "kinds").sum() == len(measured.by_kind)


def test_a_stop_keeps_what_was_measured(bundled, measured):
    def stop(done, total):
        assert total == 12
        if done == 2:
            raise Stopped

    part = measure_head(bundled, HEAD, COUNT, stop)
    assert part.by_digits == {scoring: rows[:2] for scoring, rows in measured.by_digits.items()}
    assert part.to_frame()["operation"].tolist()[:2] == ["+", "+"]


def test_a_head_that_does_not_exist(bundled):
    with pytest.raises(UserError, match="99"):
        measure_head(bundled, (99, 0), COUNT)
