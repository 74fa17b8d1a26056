"""Chunks: computed once, and taken from their folder afterwards."""

import pytest
import torch

from core.errors import UserError
from core.kept.chunks import FolderChunks, not_kept, within


def refuse():
    raise AssertionError("it was there")


def test_a_chunk_is_computed_once(tmp_path):
    told = []
    chunks = FolderChunks(tmp_path / "chunks", {}, lambda: told.append(1))
    made = chunks("tree 3, +/..", lambda: torch.arange(4))
    assert told == [1]
    assert torch.equal(chunks("tree 3, +/..", refuse), made)
    assert told == [1]
    assert len(list((tmp_path / "chunks").iterdir())) == 1
    assert list(tmp_path.iterdir()) == [tmp_path / "chunks"]


def test_names_are_told_apart(tmp_path):
    chunks = FolderChunks(tmp_path, {})
    made = [within(chunks, stage)(name, lambda s=stage, n=name: s + n) for stage in "ab" for name in "xy"]
    assert made == ["ax", "ay", "bx", "by"]
    assert within(chunks, "b")("x", refuse) == "bx"


def test_a_chunk_that_fails_is_not_there(tmp_path):
    chunks = FolderChunks(tmp_path, {})
    with pytest.raises(ZeroDivisionError):
        chunks("x", lambda: 1 // 0)
    assert chunks("x", lambda: 2) == 2


def test_a_broken_chunk_is_told(tmp_path):
    chunks = FolderChunks(tmp_path, {})
    chunks("x", lambda: 2)
    next(tmp_path.iterdir()).write_bytes(b"?")
    with pytest.raises(UserError, match=r"x\.safetensors .* Remove it, and it is measured again\."):
        chunks("x", refuse)


def test_nothing_is_kept_without_a_folder():
    assert [not_kept("x", lambda n=n: n) for n in (1, 2)] == [1, 2]
