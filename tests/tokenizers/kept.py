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
MADE_BY = ("requirements.txt", "real.py", "built.py", "small.py", "trained.py")


def kept(name: str, make: Callable[[Path], None], of: str = "") -> Path:
    """A folder made by the files of `MADE_BY` and these versions of the libraries; another test process waits for it.

    Args:
        name: names the folder.
        make: writes into the folder that it is given.
        of: what else it depends on.
    """
    key = hashlib.sha256(of.encode())
    for name_of_file in MADE_BY:
        key.update((HERE / name_of_file).read_bytes())
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
