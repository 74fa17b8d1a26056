"""What is kept on disk about a model's weights."""

import os

import pytest
import torch

from core import disk_cache
from core.errors import UserError
from core.model.unembed import Unembedding
from core.model.weights import values
from core.neurons.bounds import are_prepared, value_extremes
from tests.some import some


@pytest.fixture(autouse=True)
def own_folder(tmp_path, monkeypatch):
    monkeypatch.setenv("ABACUS_CACHE", str(tmp_path / "cache"))


def never():
    raise AssertionError("computed again")


def make(value=1.0, n=10):
    return lambda: {"x": torch.full((n,), value)}


def test_computed_once():
    assert torch.equal(disk_cache.cached({"a": 1}, make())["x"], torch.ones(10))
    assert torch.equal(disk_cache.cached({"a": 1}, never)["x"], torch.ones(10))
    assert disk_cache.cached({"a": 2}, make(2.0))["x"][0] == 2


def test_a_broken_file_is_computed_again():
    disk_cache.cached({"a": 1}, make())
    (file,) = disk_cache.folder().iterdir()
    file.write_bytes(file.read_bytes()[:20])
    assert disk_cache.cached({"a": 1}, make(3.0))["x"][0] == 3
    assert disk_cache.cached({"a": 1}, never)["x"][0] == 3


def test_a_killed_run_leaves_nothing_that_counts(monkeypatch):
    def killed(*args, **kwargs):
        raise KeyboardInterrupt

    monkeypatch.setattr(disk_cache, "save_file", killed)
    with pytest.raises(KeyboardInterrupt):
        disk_cache.cached({"a": 1}, make())
    assert list(disk_cache.folder().iterdir()) == []
    assert not disk_cache.is_cached({"a": 1})


def test_oldest_go_first(monkeypatch):
    monkeypatch.setenv("ABACUS_CACHE_MB", "1")
    for number in range(4):
        disk_cache.cached({"a": number}, make(n=80_000))  # 0.32 MB each
        os.utime(disk_cache.folder() / f"{disk_cache._name({'a': number})}.safetensors", (number, number))
    disk_cache.cached({"a": 0}, never) if disk_cache.is_cached({"a": 0}) else None
    assert disk_cache.size() <= 2**20
    assert disk_cache.is_cached({"a": 3})
    assert not disk_cache.is_cached({"a": 0})


def test_clear_and_limit(monkeypatch):
    disk_cache.cached({"a": 1}, make())
    assert disk_cache.clear() > 0
    assert disk_cache.size() == 0
    monkeypatch.setenv("ABACUS_CACHE_MB", "much")
    with pytest.raises(UserError, match="whole number of megabytes"):
        disk_cache.limit()


def test_a_disk_that_cannot_be_written(monkeypatch, tmp_path):
    (tmp_path / "file").write_text("")
    monkeypatch.setenv("ABACUS_CACHE", str(tmp_path / "file" / "below"))
    assert disk_cache.cached({"a": 1}, make())["x"][0] == 1


def test_extremes(any_model):
    unembedding = Unembedding.of(any_model)
    for layer, found in some(value_extremes(any_model, [0, 2]).items()):
        v = values(any_model, layer)
        v = v - v.mean(-1, keepdim=True) if unembedding.centered else v
        logits = (v * unembedding.weight) @ unembedding.stored.T
        assert torch.allclose(found, torch.stack([logits.min(-1).values, logits.max(-1).values], -1), atol=1e-5)
    assert are_prepared(any_model, [0, 2])
    assert not are_prepared(any_model, [1])


def test_progress_and_stop(bundled):
    told = []

    def progress(done, total):
        told.append((done, total))
        if done == 2:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        value_extremes(bundled, progress=progress)
    assert told == [(1, 8), (2, 8)]
    assert are_prepared(bundled, [0, 1])
    assert not are_prepared(bundled, [2])
    value_extremes(bundled)
    assert are_prepared(bundled, range(8))
