"""A cache on disk for tensors that depend on a model's weights.

Only results that depend on weights (and the inputs named in their key) are kept here. A file is
written beside its place and moved in whole, so a killed run leaves nothing broken; a file that
cannot be read is thrown away and computed again. The least recently used files are removed when
the folder grows over its limit. `ABACUS_CACHE` names another folder, `ABACUS_CACHE_MB` another limit.
"""

import contextlib
import hashlib
import json
import os
import tempfile
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import platformdirs
import torch
from safetensors import SafetensorError
from safetensors.torch import load_file, save_file

from core.errors import UserError

LIMIT_MB = 2048


def folder() -> Path:
    """Where the files are."""
    return Path(os.environ.get("ABACUS_CACHE") or platformdirs.user_cache_dir("abacus"))


def limit() -> int:
    """How many bytes the folder may hold.

    Raises:
        UserError: when `ABACUS_CACHE_MB` is not a whole number.
    """
    megabytes = os.environ.get("ABACUS_CACHE_MB", str(LIMIT_MB))
    if not megabytes.isdecimal():
        raise UserError(
            f"ABACUS_CACHE_MB is {megabytes!r}: give the cache's size limit as a whole number of megabytes."
        )
    return int(megabytes) * 2**20


def size() -> int:
    """How many bytes the folder holds."""
    return sum(bytes_ for _, _, bytes_ in _files())


def clear() -> int:
    """Removes every file and returns how many bytes that were."""
    freed = 0
    for _, path, bytes_ in _files():
        with contextlib.suppress(OSError):  # another process may have removed it already
            path.unlink()
            freed += bytes_
    return freed


def cached(key: dict[str, Any], compute: Callable[[], dict[str, torch.Tensor]]) -> dict[str, torch.Tensor]:
    """Tensors by name, from disk, or computed and kept.

    Args:
        key: everything the result depends on, as JSON values; `fingerprint` first of all.
        compute: makes the tensors when they are not there.
    """
    path = folder() / f"{_name(key)}.safetensors"
    with contextlib.suppress(OSError, SafetensorError):
        found = load_file(path)
        path.touch()  # the least recently used go first
        return found
    made = {name: tensor.detach().cpu().contiguous() for name, tensor in compute().items()}
    with contextlib.suppress(OSError, SafetensorError):  # a full or read-only disk costs time, not the result
        _write(path, made, key)
    return made


def is_cached(key: dict[str, Hashable]) -> bool:
    """Whether a result is on disk."""
    return (folder() / f"{_name(key)}.safetensors").exists()


def _name(key: dict[str, Any]) -> str:
    return hashlib.sha256(json.dumps(key, sort_keys=True).encode()).hexdigest()[:32]


def _write(path: Path, tensors: dict[str, torch.Tensor], key: dict[str, Any]) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, part = tempfile.mkstemp(dir=path.parent, suffix=".part")
    os.close(handle)
    try:
        save_file(tensors, part, metadata={"key": json.dumps(key, sort_keys=True)})
        os.replace(part, path)
    finally:
        Path(part).unlink(missing_ok=True)
    _shrink(limit(), path)


def _shrink(to: int, newest: Path) -> None:
    files = sorted(_files())
    total = sum(bytes_ for _, _, bytes_ in files)
    for _, path, bytes_ in files:
        if total <= to:
            break
        if path != newest:
            with contextlib.suppress(OSError):
                path.unlink()
                total -= bytes_


def _files() -> list[tuple[float, Path, int]]:
    """(last use, path, bytes) of every file, including parts that a killed run left behind."""
    found = []
    for pattern in ("*.safetensors", "*.part"):
        for path in folder().glob(pattern):
            with contextlib.suppress(OSError):
                status = path.stat()
                found.append((status.st_mtime, path, status.st_size))
    return found
