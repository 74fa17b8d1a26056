"""The whole measurement: every question answered or given up with a reason, and stopped as a whole."""

import pytest

from core.findings.accuracy import Asked
from core.findings.measure import measure
from core.model.load import load_model
from core.progress import Stopped


def test_every_question_has_an_answer_or_a_reason(findings, small_settings):
    assert len(findings.heads) == len(small_settings.operations) * len(small_settings.digits)
    assert len(findings.neuron_sets) == 2 * 2 * len(small_settings.operations)
    assert {found.task for found in findings.mediation} == {"other operands", "number retrieval", "facts"}
    assert len(findings.adapters) == 8
    assert list(findings.missing) == ["filter 0 to 9"]
    assert "Choose shallow layers" in findings.missing["filter 0 to 9"]


def test_the_same_settings_give_the_same_findings(bundled, small_settings, findings):
    again = measure(bundled, small_settings)
    for name in ("heads", "neuron_sets", "filters", "mediation", "skew", "one_sum"):
        assert getattr(again, name) == getattr(findings, name)


def test_a_model_that_answers_nothing_has_reasons_and_no_numbers(checkpoints, small_settings):
    """Random weights, on a tokenizer that has every word of the questions."""
    found = measure(load_model(checkpoints("llama")), small_settings, [Asked("sums", (("3 + 5 =", "8"),))])
    assert found.heads == ()
    assert found.neuron_sets == ()
    assert found.mediation == ()
    assert "is predicted right" in found.missing["heads + 1"]
    assert "adapters" in found.missing
    assert found.missing["mediation facts"]
    assert found.accuracy[0].right == 0
    assert not found.one_sum.right


def test_a_model_that_cannot_read_the_questions_says_so(reference, small_settings):
    found = measure(reference, small_settings)
    assert found.heads == ()
    assert "cannot write the digits" in found.missing["heads + 1"]


def test_progress_rises_to_the_end_and_a_stop_leaves_nothing(bundled, small_settings):
    told = []

    def stop_later(done, total):
        told.append(done / total)
        if done / total > 0.1:
            raise Stopped

    with pytest.raises(Stopped):
        measure(bundled, small_settings, progress=stop_later)
    assert told == sorted(told)
    assert 0.1 < told[-1] <= 1
