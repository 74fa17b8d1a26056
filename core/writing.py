"""Output folders that a person names: written whole or not at all, with errors that say what to do."""

import errno
import os
import re
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

from safetensors import SafetensorError

from core.errors import UserError

_WHY = {
    errno.ENOSPC: "the disk is full. Free some space or choose a folder on another disk",
    errno.EDQUOT: "your share of the disk is full. Free some space or choose a folder on another disk",
    errno.EACCES: "there is no permission to write there. Choose a folder of your own",
    errno.EPERM: "there is no permission to write there. Choose a folder of your own",
    errno.EROFS: "that disk can only be read. Choose a folder on another disk",
    errno.ENOTDIR: "a part of its path is a file. Choose another folder",
    errno.EEXIST: "a part of its path is a file. Choose another folder",
    errno.ENAMETOOLONG: "its name is too long. Choose a shorter one",
    errno.ENOENT: "nothing can be made there. Choose a folder elsewhere, such as one in your home folder",
}


def typed_path(folder: str | Path, for_what: str = "a folder, such as exports/less-biased") -> Path:
    """The path that a person typed, with ~ as the home folder.

    Raises:
        UserError: for no text, or text that is not a path.
    """
    if not str(folder).strip():
        raise UserError(f"Name {for_what}.")
    if "\0" in str(folder):
        raise UserError(f"{str(folder)!r} is not a path. Name {for_what}.")
    try:
        return Path(folder).expanduser()
    except RuntimeError as error:  # ~someone, who has no home here
        raise UserError(f"{folder} is not on this computer. Name {for_what}.") from error


def cannot_be_written(place: Path, error: Exception) -> UserError:
    """The error of a file or folder that cannot be written, with the reason and what to do."""
    as_text = re.search(r"\(os error (\d+)\)", str(error))  # as safetensors reports it
    number = error.errno if isinstance(error, OSError) else int(as_text[1]) if as_text else 0
    why = _WHY.get(number or 0) or f"{getattr(error, 'strerror', None) or error}. Choose another folder"
    return UserError(f"{place} could not be written: {why}.")


@contextmanager
def explain_write_errors(place: Path) -> Iterator[None]:
    """Turns a disk's errors while the block writes into a `UserError` that says what to do."""
    try:
        yield
    except (OSError, SafetensorError) as error:
        raise cannot_be_written(place, error) from error


def check_new(folder: str | Path) -> Path:
    """The absolute path of a folder that does not exist yet, or is empty.

    Raises:
        UserError: for a file, a folder that holds something or cannot be looked into, or text that is not a path.
    """
    target = Path(os.path.abspath(typed_path(folder)))
    with explain_write_errors(target):
        if target.is_symlink() or (target.exists() and not target.is_dir()):
            raise UserError(f"{target} is a file. Choose a new folder.")
        if target.is_dir() and any(target.iterdir()):
            raise UserError(f"{target} holds something already, and nothing is overwritten. Choose a new folder.")
    return target


@contextmanager
def new_folder(folder: str | Path) -> Iterator[Path]:
    """A folder to write into, which is moved to its place when the block succeeds; otherwise nothing is left behind.

    Args:
        folder: where it goes at the end; it must not exist, or be empty. Missing parents are made.

    Raises:
        UserError: when the place is taken or cannot be written, or the disk fills up.
    """
    target = check_new(folder)
    missing = [parent for parent in target.parents if not parent.exists()]  # the innermost first
    making: Path | None = None
    try:
        with explain_write_errors(target):
            target.parent.mkdir(parents=True, exist_ok=True)
            making = Path(tempfile.mkdtemp(prefix=f".{target.name}-"[:100], dir=target.parent))
            yield making
            making.chmod(0o755)
            making.replace(target)  # takes the place of an empty folder, and fails on any other
            missing = []
    finally:
        if making is not None:
            shutil.rmtree(making, ignore_errors=True)
        with suppress(OSError):  # someone else may have put something there
            for parent in missing:
                parent.rmdir()
