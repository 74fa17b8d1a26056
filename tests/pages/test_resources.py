"""What a server keeps for all its sessions."""

from types import SimpleNamespace

import pytest

from core.errors import UserError
from pages.shared.resources import _kept, kept

CALLS: list = []
ONE, OTHER = (SimpleNamespace(fingerprint=name, precision="fp32", device="cpu") for name in ("one", "other"))


@pytest.fixture(autouse=True)
def clean():
    _kept.clear()
    CALLS.clear()


def double(lm, number, times=2):
    CALLS.append((lm.fingerprint, number, times))
    if number < 0:
        raise UserError("below 0")
    return [number * times]


def triple(lm, number):
    CALLS.append("triple")
    return [number * 3]


def test_the_same_question_is_computed_once():
    first = kept(ONE, double, 4)
    assert first == [8]
    assert kept(ONE, double, 4) is first
    assert CALLS == [("one", 4, 2)]


def test_model_function_and_arguments_are_the_key():
    assert [kept(ONE, double, 4), kept(ONE, double, 5), kept(ONE, double, 4, times=3)] == [[8], [10], [12]]
    assert [kept(OTHER, double, 4), kept(ONE, triple, 4)] == [[8], [12]]
    assert len(CALLS) == 5


def test_an_error_is_not_kept():
    for _ in range(2):
        with pytest.raises(UserError, match="below 0"):
            kept(ONE, double, -1)
    assert len(CALLS) == 2
