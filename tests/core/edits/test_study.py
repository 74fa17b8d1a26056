"""Whole measurements of edits: the parts measured one by one give the same."""

import pytest
import torch

from core.edits.compare import what_if
from core.edits.effects import edit_effects
from core.edits.study import edited_answers, export_and_check
from core.errors import UserError
from core.hooks import ScaleHead, ScaleNeuron

EDITS = (ScaleHead(3, 7, 0.0), ScaleNeuron(7, 5, -1.5))
PROMPTS = ("3+5=", "34+28=")


def test_answers_are_those_of_the_parts(bundled):
    found = edited_answers(bundled, PROMPTS, EDITS, n_tokens=3, seed=2, count=4, draws=2)
    by_hand = what_if(bundled, PROMPTS, EDITS, 3, 1.0, 2, (1, 2), 4)
    assert torch.equal(found.both.edited.logits, by_hand.edited.logits)
    assert found.both.continuations().equals(by_hand.continuations())
    assert found.both.edited.accuracy == by_hand.edited.accuracy
    effects = edit_effects(bundled, PROMPTS, EDITS, 2, 2, each=False)
    assert (found.effects.together, found.effects.random) == (effects.together, effects.random)
    assert found.effects.alone == []


def test_without_edits_or_arithmetic(bundled):
    found = edited_answers(bundled, PROMPTS, (), n_tokens=2, count=0)
    assert found.effects is None
    assert found.both.asked == {}
    assert found.both.original.greedy == found.both.edited.greedy
    with pytest.raises(UserError, match="at least one prompt"):
        edited_answers(bundled, (), EDITS)


def test_an_export_is_compared_or_says_why_not(bundled, tmp_path):
    found = export_and_check(bundled, EDITS, tmp_path / "one", "title", "note", PROMPTS)
    assert found.check.same_top == found.check.prompts == 2
    assert found.reason == ""
    found = export_and_check(bundled, EDITS, tmp_path / "two", "", "", ["3 + zzyzx ="])
    assert found.check is None
    assert "zzyzx" in found.reason
    assert (found.folder / "config.json").is_file()
    with pytest.raises(UserError):
        export_and_check(bundled, EDITS, tmp_path / "one", "", "", PROMPTS)
