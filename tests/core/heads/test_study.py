"""Sweeps from settings."""

import pytest
import torch

from core.errors import UserError
from core.forward.read_at import END
from core.heads.accuracy import sweep_accuracy
from core.heads.study import OwnSweep, SetSweep, own_tables, set_tables
from core.heads.sweep import sweep_heads
from core.kept.records import same
from core.prompts.arithmetic import make_prompts

SMALL = SetSweep(("+",), (1,), count=3)


def test_a_set_is_swept(bundled):
    SMALL.check(bundled)
    found = SMALL.run(bundled)
    assert same(found, sweep_accuracy(bundled, make_prompts(("+",), (1,), count=3)))
    table = set_tables(found)["heads"]
    assert set(table["scoring"]) == {"tokens", "answers", "open answers"}
    assert len(table) == 3 * bundled.n_layers * bundled.n_heads


def test_own_prompts_are_swept_where_they_are_read(bundled):
    asked = OwnSweep(("3+5=", "7-2="), "logit difference", (2, END))
    asked.check(bundled)
    found = asked.run(bundled)
    ids = bundled.encode_for_answer("3+5=")[:3]
    assert same(found, sweep_heads(bundled, [tuple(ids), "7-2="], metric="logit difference"))
    assert torch.isfinite(found.value).all()
    assert len(own_tables(found)["heads"]) == 2 * bundled.n_layers * bundled.n_heads


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (SetSweep(operations=("%",)), "Unknown operation"),
        (SetSweep(digits=()), "Choose at least one"),
        (SetSweep(pool="x"), "no pool"),
        (OwnSweep(()), "There is no prompt"),
        (OwnSweep(metric="x"), "does not exist"),
        (OwnSweep(positions=(1,)), "2 prompts need as many positions"),
        (OwnSweep(positions=(0, 99)), "cannot be read after token 99"),
        (OwnSweep(("3+5 " * 500,)), "tokens"),
    ],
)
def test_settings_that_the_model_cannot_take(bundled, asked, told):
    with pytest.raises(UserError, match=told):
        asked.check(bundled)
