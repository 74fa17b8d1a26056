"""A record of one run and its beginnings."""

from dataclasses import fields

import torch

from core.forward.record import record
from tests.some import some


def test_until_is_the_shorter_prompt(any_model):
    ids = any_model.encode("3 + 5 = 8")
    run, short = record(any_model, ids).until(3), record(any_model, ids[:4])
    assert run.ids == short.ids
    for name in some(f.name for f in fields(run) if f.name != "ids"):
        assert getattr(run, name).shape == getattr(short, name).shape
        assert torch.allclose(getattr(run, name), getattr(short, name), atol=1e-3, rtol=1e-3)
