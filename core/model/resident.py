"""The resident model: the one that is loaded now, shared by every session of a server."""

import threading
import time
from dataclasses import dataclass

from core.errors import UserError
from core.model.load import LoadedModel, load_model, release_memory
from core.model.precision import check_precision, choose_device, choose_precision
from core.model.source import locate


@dataclass(frozen=True)
class Change:
    """Who changed the resident model, and when (seconds since 1970)."""

    by: str
    at: float


class ResidentModel:
    """Holds at most one model; loading another lets the first go before its weights are read."""

    def __init__(self, source: str = "bundled", precision: str = "auto"):
        self._lock = threading.RLock()
        self._wanted = (source, precision)
        self._model: LoadedModel | None = None
        self._broken: str | None = None
        self._last_change: Change | None = None

    def model(self) -> LoadedModel:
        """The resident model, loaded when it is first asked for.

        Raises:
            UserError: when it cannot be loaded.
        """
        with self._lock:
            if self._broken is not None:
                raise UserError(self._broken)
            if self._model is None:
                try:
                    self._model = load_model(*self._wanted)
                except UserError as error:
                    self._broken = str(error)
                    raise
            return self._model

    @property
    def last_change(self) -> Change | None:
        """The last change that took place; None while the first model is resident."""
        return self._last_change

    @property
    def loaded(self) -> LoadedModel | None:
        """The resident model if there is one now; loads nothing and waits for nothing."""
        return self._model

    def change(self, source: str, precision: str, by: str = "") -> None:
        """Replaces the resident model; when the new one cannot be loaded, the old one comes back.

        What can be checked is checked, and what must be downloaded is downloaded, before
        the old one goes. It is freed when nobody else holds it: keep no reference.

        Args:
            source: the new model.
            precision: as in `load_model`.
            by: who changes it, so that others can be told.

        Raises:
            UserError: says what is wrong with the new one.
        """
        check_precision(precision)
        locate(source).fetched()
        with self._lock:
            before, self._wanted = self._wanted, (source, precision)
            self._model, self._broken = None, None
            release_memory()
            try:
                self.model()
            except BaseException:
                self._wanted, self._broken = before, None
                raise
            self._last_change = Change(by, time.time())


def memory_needed(source: str, precision: str) -> int:
    """Bytes that a model's weights will take; nothing is loaded.

    Raises:
        UserError: for a source that is not a model.
    """
    check_precision(precision)
    found = locate(source)
    return found.memory(choose_precision(precision, choose_device(), found.stored))
