"""A results folder: a plan, where its results come from, and for each analysis its tables, settings and numbers.

    results/plan.toml                      what was asked
    results/results.json                   model, fingerprint, precision, versions, machine
    results/1-sweep/heads.csv              tables
    results/1-sweep/settings.json          settings, and when it was finished
    results/1-sweep/result.safetensors     every number, which the pages open
    results/2-mediation/chunks/            of an analysis that has not ended: what is measured so far

An analysis is finished when its `result.safetensors` is there; it is written last, and in one piece.
"""

import json
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from filelock import FileLock, Timeout

from core.errors import UserError
from core.kept.chunks import FolderChunks
from core.kept.records import read_record, write_record, write_whole
from core.model.load import LoadedModel
from core.plans.analyses import KINDS, Tables
from core.plans.origin import Origin, now
from core.plans.plan import Plan, Task, read_plan_file
from core.reading import read_as, read_json_file
from core.writing import explain_write_errors, new_folder, typed_path

_PLAN, _ORIGIN, _RESULT, _SETTINGS, _CHUNKS, _LOCK = (
    "plan.toml",
    "results.json",
    "result.safetensors",
    "settings.json",
    "chunks",
    ".lock",
)
_AGAIN = "Run its plan again into a new folder: python -m core run PLAN.toml --out FOLDER"


@dataclass(frozen=True)
class Finished:
    """The numbers of a finished analysis.

    Attributes:
        kept: what its measurement returned.
        at: when it was finished, in UTC, as text.
        seconds: of work, in the run that finished it.
    """

    kept: Any
    at: str
    seconds: float


_KINDS = {**KINDS, Finished.__name__: Finished}


@dataclass(frozen=True)
class ResultsFolder:
    """A folder with a plan and what is measured of it.

    Attributes:
        path: absolute.
        plan: what is measured.
        origin: with what.
    """

    path: Path
    plan: Plan
    origin: Origin

    @classmethod
    def read(cls, folder: str | Path) -> "ResultsFolder":
        """Reads what a folder says of itself.

        Raises:
            UserError: for a folder that `python -m core run` did not make, or files that cannot be read.
        """
        path = typed_path(folder, "a results folder, such as results/").absolute()
        if not (path / _ORIGIN).is_file():
            raise UserError(f"{path} is not a results folder: {_ORIGIN} is not there. {_AGAIN}")
        origin = read_as(Origin, read_json_file(path / _ORIGIN, _AGAIN), f"{_ORIGIN} of {path}", _AGAIN)
        return cls(path, read_plan_file(path / _PLAN), origin)

    @classmethod
    def begun(cls, folder: str | Path, lm: LoadedModel, plan: Plan) -> "ResultsFolder":
        """The folder of a plan: made now, or begun earlier with the same plan, model and versions.

        Raises:
            UserError: for a folder of something else, which stays as it is, or one that cannot be written.
        """
        path = typed_path(folder, "a folder for the results, such as results/").absolute()
        if not (path / _ORIGIN).is_file():
            with new_folder(path) as making:
                (making / _PLAN).write_text(plan.to_toml(), encoding="utf-8")
                (making / _ORIGIN).write_text(_json(Origin.of(lm).to_json()), encoding="utf-8")
        found = cls.read(path)
        if found.plan != plan:
            raise UserError(f"{path} holds results of another plan, which stay as they are. Choose another folder.")
        if (difference := found.origin.difference(lm)) is not None:
            raise UserError(
                f"{path} holds results {difference}. They stay as they are, and cannot be continued to the same "
                "numbers. Choose another folder."
            )
        return found

    @contextmanager
    def held(self) -> Iterator[None]:
        """The block alone writes into the folder.

        Raises:
            UserError: when another process does.
        """
        lock = FileLock(self.path / _LOCK, timeout=0)
        with explain_write_errors(self.path):
            try:
                lock.acquire()
            except Timeout as error:
                raise UserError(f"Another process is writing into {self.path}. Wait until it has ended.") from error
        try:
            yield
        finally:
            lock.release()

    def entry(self, number: int) -> Path:
        """The folder of an analysis, counted from 0."""
        return self.path / f"{number + 1}-{self.plan.tasks[number].what}"

    def is_finished(self, number: int) -> bool:
        """Whether all of an analysis is measured."""
        return (self.entry(number) / _RESULT).is_file()

    def chunks(self, number: int) -> FolderChunks:
        """What is measured so far of an analysis."""
        return FolderChunks(self.entry(number) / _CHUNKS, _KINDS)

    def finish(self, number: int, kept: Any, tables: Tables, seconds: float) -> None:
        """Writes the tables and numbers of an analysis; its chunks are then no longer needed.

        Raises:
            UserError: when they cannot be written.
        """
        entry, task = self.entry(number), self.plan.tasks[number]
        with explain_write_errors(entry):
            entry.mkdir(exist_ok=True)
        for name, table in tables.items():
            write_whole(entry / f"{name}.csv", table.to_csv(index=False).encode())
        finished = Finished(kept, now(), seconds)
        about = {"analysis": task.what, "settings": asdict(task.settings), "finished": finished.at, "seconds": seconds}  # type: ignore[call-overload]
        write_whole(entry / _SETTINGS, _json({**about, **self.origin.to_json()}).encode())
        write_record(entry / _RESULT, finished, _KINDS)
        shutil.rmtree(entry / _CHUNKS, ignore_errors=True)

    def finished(self, number: int) -> Finished:
        """The numbers of an analysis.

        Raises:
            UserError: where it is not finished, or its file cannot be read.
        """
        file = self.entry(number) / _RESULT
        if not file.is_file():
            raise UserError(
                f"{self.entry(number).name} of {self.path} is not finished. Run the plan again: it goes on."
            )
        found: Finished = read_record(file, _KINDS, "Remove it and run the plan again: the rest stays.")
        return found


@dataclass(frozen=True)
class Stored:
    """One analysis of a results folder."""

    folder: ResultsFolder
    number: int

    @property
    def task(self) -> Task:
        """What was measured."""
        return self.folder.plan.tasks[self.number]

    @property
    def name(self) -> str:
        """Its folder's name."""
        return self.folder.entry(self.number).name


def stored_in(folder: str | Path) -> list[Stored]:
    """The finished analyses of a results folder, or the one of an analysis's own folder within it.

    Raises:
        UserError: for another folder, or one in which nothing is finished.
    """
    path = typed_path(folder, "a results folder, such as results/").absolute()
    one = path if not (path / _ORIGIN).is_file() and (path.parent / _ORIGIN).is_file() else None
    results = ResultsFolder.read(path.parent if one else path)
    numbers = [n for n in range(len(results.plan.tasks)) if one is None or results.entry(n) == one]
    found = [Stored(results, number) for number in numbers if results.is_finished(number)]
    if not found:
        raise UserError(f"Nothing in {path} is finished yet. Run the plan again: it goes on where it was.")
    return found


def _json(content: dict[str, Any]) -> str:
    return json.dumps(content, indent=1, ensure_ascii=False)
