"""What is written as TOML is read back."""

import tomllib

from hypothesis import given
from hypothesis import strategies as st

from core.plans.toml import to_toml

TEXT = st.text(st.characters(exclude_categories=["Cs"]))
ONE = st.booleans() | st.integers(-(2**62), 2**62) | st.floats(allow_nan=False) | TEXT
TABLE = st.dictionaries(st.sampled_from(["a", "b_c", "d"]), ONE | st.lists(ONE) | st.lists(st.lists(st.integers(0, 9))))


@given(st.lists(TABLE, min_size=1))
def test_it_comes_back(tables):
    assert tomllib.loads(to_toml("analysis", tables))["analysis"] == tables


def test_what_has_no_value_is_left_out_and_tuples_are_lists():
    text = to_toml("x", [{"a": None, "b": ((1, 2),), "c": {"d": 0.5, "e": None}}])
    assert text == "[[x]]\nb = [[1, 2]]\nc = {d = 0.5}\n"
