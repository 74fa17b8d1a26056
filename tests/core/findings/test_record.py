"""Findings as a file: written and read back, and foreign or broken ones refused with a sentence."""

import json
from dataclasses import replace

import pytest

from core.errors import UserError
from core.findings.figures import Figure
from core.findings.record import FILE, read_findings


@pytest.fixture
def written(findings, tmp_path):
    return findings.write(tmp_path)


def changed(file, **fields):
    file.write_text(json.dumps({**json.loads(file.read_text()), **fields}))
    return file.parent


def test_what_is_read_is_what_was_measured(findings, written):
    assert written.name == FILE
    assert read_findings(written.parent) == findings
    assert [path.name for path in written.parent.iterdir()] == [FILE]


def test_writing_again_replaces_the_file(findings, written):
    replace(findings, seconds=1.0).write(written.parent)
    assert read_findings(written.parent).seconds == 1.0


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"format": "abacus edit"}, "'format' is not 'abacus findings'"),
        ({"version": 2}, "'version' is not 1"),
        ({"surprise": 1}, "unknown field 'surprise'"),
        ({"heads": 3}, "'heads' is not a list"),
        ({"heads": [{"operation": "+"}]}, "entry 1 of 'heads' lacks 'digits'"),
        ({"seconds": "long"}, "'seconds' is not a finite number"),
    ],
)
def test_a_foreign_file_is_refused_with_a_sentence(written, fields, told):
    with pytest.raises(UserError, match=told):
        read_findings(changed(written, **fields))


def test_a_broken_file_and_none_at_all(written, tmp_path):
    written.write_text(written.read_text()[:-20])
    with pytest.raises(UserError, match="is not JSON.* Measure the model again"):
        read_findings(written.parent)
    with pytest.raises(UserError, match="cannot be read"):
        read_findings(tmp_path / "nowhere")


def test_numbers_that_no_file_can_hold_are_not_written(findings, tmp_path):
    broken = replace(findings, accuracy=(replace(findings.accuracy[0], share=Figure(float("nan"), None, None)),))
    with pytest.raises(UserError, match="not a finite number"):
        broken.write(tmp_path)
    assert not list(tmp_path.iterdir())


def test_answers_are_found_by_their_question(findings, bundled, reference):
    assert findings.heads_of("+", 2).digits == 2
    assert findings.heads_of("*", 1) is None
    assert findings.neuron_set_of("-", "top head", 5).operation == "-"
    assert findings.neuron_set_of("-", "top head", 6) is None
    assert findings.mediation_of("facts").task == "facts"
    assert findings.is_of(bundled)
    assert not findings.is_of(reference)
