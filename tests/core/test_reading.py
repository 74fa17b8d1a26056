"""Strict reading of JSON: what is written is read back, and every other content is refused in our own words."""

import json
from dataclasses import asdict, dataclass
from typing import Annotated, Literal

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import Field

from core.errors import UserError
from core.reading import checked, read_as, read_json, strict

WHAT, REMEDY = "This file", "Choose another."


@strict
@dataclass(frozen=True)
class Inner:
    share: Annotated[float, Field(gt=0, le=1)]
    flag: bool = False


@strict
@dataclass(frozen=True)
class Outer:
    kind: Literal["a", "b"]
    count: Annotated[int, Field(ge=0, lt=100)]
    title: Annotated[str, Field(min_length=1, max_length=5)]
    inner: Annotated[tuple[Inner, ...], Field(max_length=3)]
    by_name: dict[str, float]
    three: tuple[int, int, int] = (1, 2, 3)
    note: str | None = None


GOOD = {"kind": "a", "count": 3, "title": "x", "inner": [{"share": 0.5}], "by_name": {"all": 1}}

json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(10**400), 10**400) | st.floats() | st.text(max_size=5),
    lambda some: st.lists(some, max_size=4) | st.dictionaries(st.text(max_size=5), some, max_size=4),
    max_leaves=8,
)


def read(content) -> Outer:
    return read_as(Outer, read_json(content, WHAT, REMEDY), WHAT, REMEDY)


@given(
    st.builds(
        Outer,
        kind=st.sampled_from(["a", "b"]),
        count=st.integers(0, 99),
        title=st.text(st.characters(exclude_categories=("Cs",)), min_size=1, max_size=5),
        inner=st.lists(st.builds(Inner, st.floats(0, 1, exclude_min=True), st.booleans()), max_size=3).map(tuple),
        by_name=st.dictionaries(
            st.text(st.characters(exclude_categories=("Cs",)), max_size=5),
            st.floats(allow_nan=False, allow_infinity=False),
        ),
        three=st.tuples(st.integers(), st.integers(), st.integers()),
        note=st.none() | st.text(st.characters(exclude_categories=("Cs",))),
    )
)
def test_what_is_written_is_read_back(value):
    assert read(json.dumps(asdict(value))) == value == checked(value, WHAT, REMEDY)
    assert read(json.dumps(asdict(value), ensure_ascii=False).encode("utf-8-sig")) == value


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"extra": 1}, "it has an unknown field 'extra'"),
        ({"inner": [{"share": 0.5, "more": 1}]}, "entry 1 of 'inner' has an unknown field 'more'"),
        ({"inner": [{"share": 0.5}, {}]}, "entry 2 of 'inner' lacks 'share'"),
        ({"inner": [{"share": 0}]}, "'share' of entry 1 of 'inner' is not more than 0"),
        ({"inner": [{"share": 1.5}]}, "is more than 1"),
        ({"inner": [{"share": True}]}, "is not a finite number"),
        ({"inner": [{"share": "0.5"}]}, "is not a finite number"),
        ({"inner": [{"share": float("nan")}]}, "is not a finite number"),
        ({"inner": [{"share": 10**400}]}, "is not a finite number"),
        ({"inner": [{"share": 0.5, "flag": 1}]}, "is neither true nor false"),
        ({"inner": [{"share": 0.5}] * 4}, "'inner' has more than 3 entries"),
        ({"inner": [3]}, "entry 1 of 'inner' is not an object with named fields"),
        ({"inner": {}}, "'inner' is not a list"),
        ({"count": -1}, "'count' is less than 0"),
        ({"count": 100}, "'count' is not less than 100"),
        ({"count": 1.0}, "'count' is not a whole number"),
        ({"count": 1.5}, "'count' is not a whole number"),
        ({"count": True}, "'count' is not a whole number"),
        ({"count": "1"}, "'count' is not a whole number"),
        ({"kind": "c"}, "'kind' is not 'a' or 'b'"),
        ({"title": ""}, "'title' is shorter than 1"),
        ({"title": "t" * 6}, "'title' is longer than 5"),
        ({"title": 3}, "'title' is not text"),
        ({"title": "\ud800"}, "half a character"),
        ({"three": [1, 2]}, "'three' lacks entry 3"),
        ({"three": [1, 2, 3, 4]}, "'three' has more than 3 entries"),
        ({"by_name": []}, "'by_name' is not an object"),
        ({"by_name": {"all": None}}, "'all' of 'by_name' is not a finite number"),
    ],
)
def test_a_wrong_field_is_named(change, words):
    with pytest.raises(UserError) as caught:
        read(json.dumps({**GOOD, **change}))
    told = str(caught.value)
    assert words in told
    assert told.startswith(f"{WHAT} cannot be used: ")
    assert told.endswith(REMEDY)


@pytest.mark.parametrize("field", ["kind", "count", "title", "inner", "by_name"])
def test_a_missing_field_is_named(field):
    with pytest.raises(UserError, match=f"it lacks '{field}'"):
        read(json.dumps({name: value for name, value in GOOD.items() if name != field}))


@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"\xff\x00", "is not JSON"),
        ("{", "is not JSON"),
        ("", "is not JSON"),
        ("[]", "is not a JSON object"),
        ('{"a": ' * 100_000, "nested too deeply"),
        ('{"a": {"b": 1, "b": 2}}', "'b' appears twice"),
        ('{"a": ' + "9" * 5000 + "}", "is not JSON"),
        (" " * (2**20 + 1), "at most 1 MB"),
    ],
)
def test_what_is_not_json_is_refused(content, words):
    with pytest.raises(UserError, match=words):
        read(content)


def test_a_file_of_another_program_may_repeat_a_field():
    assert read_json('{"a": 1, "a": 2}', WHAT, REMEDY, ours=False) == {"a": 2}
    with pytest.raises(UserError, match="'a' appears twice"):
        read_json('{"a": 1, "a": 2}', WHAT, REMEDY)


def test_deep_nesting_inside_a_field_is_refused():
    deep = json.loads("[" * 400 + "]" * 400)
    with pytest.raises(UserError, match="cannot be used"):
        read(json.dumps({**GOOD, "note": deep}))


@given(st.sampled_from(sorted(GOOD)), json_values)
def test_any_other_value_is_taken_or_refused_in_our_own_words(field, value):
    try:
        read(json.dumps({**GOOD, field: value}))
    except UserError as error:
        told = str(error)
        assert told.startswith(WHAT)
        assert told.endswith(REMEDY)
        assert len(told) < 400
        assert not any(word in told for word in ("pydantic", "Input should", "wrong value", "validation error"))


def test_values_made_in_python_are_checked_as_files_are():
    for wrong in (Inner(0.0), Inner(float("nan")), Inner(2.0)):
        with pytest.raises(UserError, match="'share'"):
            checked(wrong, WHAT, REMEDY)
    with pytest.raises(UserError, match="'share' of entry 1 of 'inner'"):
        checked(Outer("a", 1, "t", (Inner(-1.0),), {}), WHAT, REMEDY)
    with pytest.raises(UserError, match="half a character"):
        checked(Outer("a", 1, "\ud800", (), {}), WHAT, REMEDY)
