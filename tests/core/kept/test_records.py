"""Records: what is written is read back, bit for bit, and nothing else is read."""

import errno
import json
import os
from dataclasses import dataclass

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from safetensors.torch import save_file
from torch import Tensor

from core.errors import UserError
from core.kept.records import read_record, same, write_record, write_whole
from core.metrics import METRICS, Metric


@dataclass(frozen=True)
class Inner:
    numbers: Tensor
    name: str


@dataclass(frozen=True)
class Outer:
    inner: list[Inner]
    heads: tuple[tuple[int, int], ...]
    share: float
    by_name: dict
    nothing: None = None


KINDS = {"Inner": Inner, "Outer": Outer}
REMEDY = "Measure it again."
VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.lists(inner).map(tuple) | st.dictionaries(st.text() | st.integers(), inner),
    max_leaves=12,
)


@given(VALUES)
@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_plain_values_come_back(tmp_path, value):
    file = tmp_path / "one.safetensors"
    try:
        write_record(file, value, KINDS)
    except UnicodeEncodeError:  # half a character
        return
    assert same(read_record(file, KINDS, REMEDY), value)


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64, torch.bfloat16, torch.int16, torch.int32, torch.bool])
def test_tensors_come_back_to_the_last_bit(tmp_path, dtype):
    values = torch.tensor([[0.1, -2.5, 3e8], [0, 1, 7]]).to(dtype)
    both = values.T, values[0, 1]  # not contiguous; without dimensions; of one storage
    write_record(tmp_path / "t", both, KINDS)
    found = read_record(tmp_path / "t", KINDS, REMEDY)
    assert same(found, both)
    assert found[0].dtype == dtype


def test_nan_and_infinities_come_back(tmp_path):
    value = [torch.tensor([torch.nan, torch.inf]), float("nan"), -float("inf")]
    write_record(tmp_path / "t", value, KINDS)
    assert same(read_record(tmp_path / "t", KINDS, REMEDY), value)


def test_dataclasses_and_metrics_come_back(tmp_path):
    value = Outer(
        [Inner(torch.arange(3), "a"), Inner(torch.empty(0), "b")], ((1, 2),), 0.1, {"x": METRICS["exact match"]}
    )
    write_record(tmp_path / "t", value, KINDS)
    found = read_record(tmp_path / "t", KINDS, REMEDY)
    assert same(found, value)
    assert isinstance(found, Outer)


def test_same_tells_values_apart():
    assert not same(1, True)
    assert not same(torch.tensor(0.0), torch.tensor(-0.0))
    assert not same([1], (1,))
    assert not same(Inner(torch.ones(2), "a"), Inner(torch.ones(2), "b"))
    assert not same({"a": 1}, {"a": 2})


def test_other_classes_are_not_written(tmp_path):
    own = Metric("mine", "", lambda logits, target, other: logits[..., 0])
    for value in (object(), own, {1, 2}):
        with pytest.raises(TypeError, match="cannot stand in a record"):
            write_record(tmp_path / "t", value, KINDS)
    assert not list(tmp_path.iterdir())


def test_a_class_that_is_not_in_the_table_is_not_made(tmp_path):
    write_record(tmp_path / "t", Inner(torch.ones(1), "a"), KINDS)
    with pytest.raises(UserError, match=r"not a result of this version. Measure it again\."):
        read_record(tmp_path / "t", {}, REMEDY)


@pytest.mark.parametrize("length", [0, 4, 40, -1])
def test_a_file_that_is_cut_off_is_told(tmp_path, length):
    file = tmp_path / "t"
    write_record(file, Inner(torch.ones(100), "a"), KINDS)
    file.write_bytes(file.read_bytes()[:length])
    with pytest.raises(UserError, match="t of .* is cut off"):
        read_record(file, KINDS, REMEDY)


@pytest.mark.parametrize("told", [{"tensor": "9"}, {"Inner": {"name": "a"}}, {"Inner": []}, {}, {"float": "x"}])
def test_a_file_of_something_else_is_told(tmp_path, told):
    save_file({"0": torch.ones(1)}, tmp_path / "t", {"record": json.dumps(told)})
    with pytest.raises(UserError, match="not a result"):
        read_record(tmp_path / "t", KINDS, REMEDY)


def test_a_file_that_is_not_there_is_told(tmp_path):
    with pytest.raises(UserError, match="Measure it again"):
        read_record(tmp_path / "absent", KINDS, REMEDY)


def test_a_full_disk_leaves_the_former_file(tmp_path, monkeypatch):
    file = tmp_path / "t"
    write_whole(file, b"former")

    def full(_handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(UserError, match="the disk is full. Free some space"):
        write_whole(file, b"new")
    assert file.read_bytes() == b"former"
    assert list(tmp_path.iterdir()) == [file]
