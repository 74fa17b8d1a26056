"""Chunks of long work: what is measured is kept as it is measured, and a later run takes it from there.

    tree = chunks("tree 3", lambda: measure(tree))

A measurement names its chunks and computes each alone, in the same batches whether or not others were there before:
so a run that was killed continues to the same numbers, bit for bit.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Protocol, TypeVar, runtime_checkable
from urllib.parse import quote

from core.kept.records import Kinds, read_record, write_record
from core.writing import explain_write_errors

T = TypeVar("T")

_AGAIN = "Remove it, and it is measured again."


@runtime_checkable
class Chunks(Protocol):
    """Gives a chunk by its name: the one that is kept, or else computed now."""

    def __call__(self, name: str, compute: Callable[[], T]) -> T:
        """The chunk of this name."""
        ...


def not_kept(name: str, compute: Callable[[], T]) -> T:
    """`Chunks` of which nothing is kept."""
    return compute()


def within(chunks: Chunks, stage: str) -> Chunks:
    """The same for one stage of the work, whose chunks have names of their own."""

    def of_stage(name: str, compute: Callable[[], T]) -> T:
        return chunks(f"{stage}, {name}", compute)

    return of_stage


@dataclass
class FolderChunks:
    """`Chunks` in a folder, one file each.

    Attributes:
        folder: is made with the first chunk.
        kinds: dataclasses that may stand in a chunk.
        computed: called before a chunk is computed: from here on, work takes its time.
    """

    folder: Path
    kinds: Kinds
    computed: Callable[[], None] = field(default=lambda: None)

    def __call__(self, name: str, compute: Callable[[], T]) -> T:
        """The chunk of this name.

        Raises:
            UserError: for a file that is not a chunk, or when a chunk cannot be written.
        """
        file = self.folder / f"{quote(name, safe=' ,')}.safetensors"
        if file.exists():
            found: T = read_record(file, self.kinds, _AGAIN)
            return found
        self.computed()
        made = compute()
        with explain_write_errors(self.folder):
            self.folder.mkdir(parents=True, exist_ok=True)
        write_record(file, made, self.kinds)
        return made
