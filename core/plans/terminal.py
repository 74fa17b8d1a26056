"""A run's progress on a terminal: the analysis, how much of it is done, and the time left."""

import sys
import time
from dataclasses import dataclass

_EVERY = {True: 0.5, False: 20.0}  # seconds between two lines: on a terminal the line is written over


@dataclass
class Terminal:
    """`core.plans.run.Watch` that prints."""

    _title: str = ""
    _last: float = 0.0
    _share: float = 0.0
    _pace_from: tuple[float, float] | None = None  # time and share at which computing began

    def begins(self, number: int, of: int, what: str, finished: bool) -> None:
        """Prints the analysis."""
        self._title, self._share, self._pace_from = f"{number} of {of}, {what}", 0.0, None
        print(f"{self._title}: {'there already' if finished else 'begins'}", flush=True)

    def computes(self) -> None:
        """Begins to measure the pace, at the first chunk that was not there."""
        if self._pace_from is None:
            self._pace_from = time.monotonic(), self._share

    def progress(self, done: int, total: int) -> None:
        """Prints the share that is done and the time left, not more often than suits the terminal."""
        self._share, now = done / max(1, total), time.monotonic()
        tty = sys.stdout.isatty()
        if now - self._last < _EVERY[tty] and done < total:
            return
        self._last = now
        line = f"{self._title}: {self._share:.0%}{self._left(now)}"
        print(f"\r{line:<70}" if tty else line, end="\n" if not tty or done >= total else "", flush=True)

    def _left(self, now: float) -> str:
        if self._pace_from is None or self._share <= self._pace_from[1] or self._share >= 1:
            return ""
        begun, before = self._pace_from
        return f", {in_words((now - begun) / (self._share - before) * (1 - self._share))} left"


def in_words(seconds: float) -> str:
    """A time: 40 s, 12 min, 3 h 20 min."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes // 60} h {minutes % 60} min"
