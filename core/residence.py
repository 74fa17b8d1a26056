"""Which model is loaded now? One at a time, shared by every session of a server."""

import gc
import threading
from pathlib import Path

import torch

from core.errors import UserError
from core.model import LoadedModel, choose_device, choose_precision, load_model
from core.source import Source, locate


class Residence:
    """Holds at most one model; loading another lets the first go before its weights are read."""

    def __init__(self, source: str = "bundled", precision: str = "auto"):
        self._lock = threading.RLock()
        self._wanted: tuple[str, str] = (source, precision)
        self._model: LoadedModel | None = None

    def model(self) -> LoadedModel:
        """The resident model, loaded when it is first asked for.

        Raises:
            UserError: when it cannot be loaded.
        """
        with self._lock:
            if self._model is None:
                self._model = load_model(*self._wanted)
            return self._model

    def change(self, source: str | Path, precision: str) -> LoadedModel:
        """Replaces the resident model; when the new one cannot be loaded, the old one comes back.

        Raises:
            UserError: says what is wrong with the new one.
        """
        with self._lock:
            choose_precision(precision, choose_device())
            locate(str(source))  # what can be checked is checked before the old one goes
            before = self._wanted
            self._model, self._wanted = None, (str(source), precision)
            _free()
            try:
                return self.model()
            except UserError:
                self._wanted = before
                raise


def memory_needed(source: str, precision: str) -> tuple[Source, int]:
    """A local model's source, and the bytes its weights will take; nothing is loaded.

    Raises:
        UserError: for a source that is no model.
    """
    device = choose_device()
    where = locate(source)
    return where, where.memory(choose_precision(precision, device))


def _free() -> None:
    gc.collect()
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
