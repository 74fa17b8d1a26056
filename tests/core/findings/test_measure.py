"""The whole measurement: every question answered or given up with a reason, and stopped as a whole."""

import pytest

from core.findings.accuracy import Asked
from core.findings.measure import measure
from core.progress import Stopped


def test_every_question_has_an_answer_or_a_reason(findings, small):
    assert len(findings.heads) == len(small.operations) * len(small.digits)
    assert len(findings.neuron_sets) == 2 * 2 * len(small.operations)
    assert {found.task for found in findings.mediation} == {"other operands", "number retrieval", "facts"}
    assert len(findings.adapters) == 8
    assert list(findings.missing) == ["filter 0 to 9"]
    assert "Choose shallow layers" in findings.missing["filter 0 to 9"]


def test_the_same_settings_give_the_same_findings(bundled, small, findings):
    again = measure(bundled, small)
    for name in ("heads", "neuron_sets", "filters", "mediation", "skew", "one_sum"):
        assert getattr(again, name) == getattr(findings, name)


def test_a_model_that_answers_nothing_has_reasons_and_no_numbers(reference, small):
    found = measure(reference, small, [Asked("sums", (("3 + 5 =", "8"),))])
    assert found.heads == ()
    assert found.neuron_sets == ()
    assert found.mediation == ()
    assert "is predicted right" in found.missing["heads + 1"]
    assert "adapters" in found.missing
    assert found.missing["mediation facts"]


def test_progress_rises_to_the_end_and_a_stop_leaves_nothing(bundled, small):
    told = []

    def stop_later(done, total):
        told.append(done / total)
        if done / total > 0.1:
            raise Stopped

    with pytest.raises(Stopped):
        measure(bundled, small, progress=stop_later)
    assert told == sorted(told)
    assert 0.1 < told[-1] <= 1
