"""The tensors in a model's files, read one at a time, without loading a model."""

from contextlib import ExitStack
from types import TracebackType
from typing import Any

from safetensors import SafetensorError, safe_open
from torch import Tensor

from core.errors import UserError
from core.model.architectures import Architecture
from core.model.source import Source, weight_files

_BUFFERS = (".rotary_emb.inv_freq", ".attn.bias", ".masked_bias", ".attention.bias", ".attn.masked_bias")


class StoredTensors:
    """The tensors of a folder by the names that the architecture has for them; a context, for its open files."""

    def __init__(self, source: Source, row: Architecture):
        assert source.folder is not None
        self._source, self._row = source, row
        self._where: dict[str, tuple[Any, str]] = {}
        self._files = ExitStack()

    @property
    def names(self) -> set[str]:
        """Names of all weights; what old files keep besides (masks, rotation frequencies) is left out."""
        return set(self._where)

    def tensor(self, name: str) -> Tensor:
        """One tensor, as it is stored."""
        file, stored = self._where[name]
        return file.get_tensor(stored)

    @staticmethod
    def plain(name: str, row: Architecture) -> str:
        """A stored name as the whole model has it: some files leave out the first part, or have another name."""
        if row.stored_unembedding and name.split(".")[0] == row.stored_unembedding:
            return row.unembedding + name.removeprefix(row.stored_unembedding)
        prefix = row.layers.split(".")[0] + "."
        return name if name.startswith(prefix) or name.split(".")[0] == row.unembedding.split(".")[0] else prefix + name

    def __enter__(self) -> "StoredTensors":
        """Opens the files.

        Raises:
            UserError: for a file that is not safetensors.
        """
        assert self._source.folder is not None
        try:
            for path in weight_files(self._source.folder):
                file = self._files.enter_context(safe_open(str(path), framework="pt"))
                for name in file.keys():  # noqa: SIM118 - it is not a dictionary
                    if not name.endswith(_BUFFERS):
                        self._where[self.plain(name, self._row)] = (file, name)
        except (OSError, SafetensorError) as error:
            self._files.close()
            raise UserError(f"The weights of {self._source.name} cannot be read: {error}") from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        """Closes the files."""
        self._files.close()
