"""Folders that the tests make once and keep on disk beside pytest's own cache: tokenizers and small models."""

import hashlib
import os
import shutil
import tempfile
from collections.abc import Callable
from importlib.metadata import version
from pathlib import Path

from filelock import FileLock

PLACE = Path(__file__).resolve().parents[2] / ".pytest_cache" / "tokenizers"
HERE = Path(__file__).parent


def kept(name: str, make: Callable[[Path], None], of: str = "") -> Path:
    """A folder made by these files and these versions of the libraries; another test process waits for it.

    Args:
        name: names the folder.
        make: writes into the folder that it is given.
        of: what else it depends on.
    """
    key = hashlib.sha256(of.encode())
    made_by = [path for path in HERE.glob("*.py") if not path.name.startswith("test_")]
    for path in sorted([*made_by, HERE / "requirements.txt"]):
        key.update(path.read_bytes())
    for library in ("torch", "transformers", "tokenizers"):
        key.update(version(library).encode())
    PLACE.mkdir(parents=True, exist_ok=True)
    folder = PLACE / f"{name}-{key.hexdigest()[:12]}"
    with FileLock(PLACE / f"{name}.lock"):
        if not folder.exists():
            for old in PLACE.glob(f"{name}-{'?' * 12}"):
                shutil.rmtree(old)
            with tempfile.TemporaryDirectory(dir=PLACE) as place:
                made = Path(place, "made")
                made.mkdir()
                make(made)
                os.replace(made, folder)
    return folder
