"""A plan's run: every analysis in its order, kept chunk by chunk; what is there already is not measured again."""

import time
from dataclasses import replace
from pathlib import Path
from typing import Protocol, runtime_checkable

from core.errors import UserError
from core.model.load import LoadedModel, use_threads
from core.plans.folder import ResultsFolder
from core.plans.plan import Plan


@runtime_checkable
class Watch(Protocol):
    """Is told how far a run is."""

    def begins(self, number: int, of: int, what: str, finished: bool) -> None:
        """The next analysis, counted from 1; `finished`: it was measured before."""
        ...

    def computes(self) -> None:
        """Chunks that were there are read, and one is computed now: the pace begins here."""
        ...

    def progress(self, done: int, total: int) -> None:
        """Steps of this analysis; may raise an exception other than `Stopped`, which ends the run."""
        ...


def run_plan(lm: LoadedModel, plan: Plan, out: str | Path, watch: Watch) -> ResultsFolder:
    """Measures what a plan asks and is not there yet.

    Args:
        lm: the model.
        plan: what is measured.
        out: the results folder, new or begun earlier.
        watch: is told how far it is. An exception that it raises ends the run; what is measured is kept.

    Raises:
        UserError: for settings that the model cannot take, before anything is written; for a folder of other results;
            for a disk that is full. What is measured is kept.
    """
    plan.check(lm)
    results = ResultsFolder.begun(out, lm, plan)
    use_threads(results.origin.threads)
    with results.held():
        for number, task in enumerate(plan.tasks):
            finished = results.is_finished(number)
            watch.begins(number + 1, len(plan.tasks), task.what, finished)
            if not finished:
                try:
                    _measure(lm, results, number, watch)
                except UserError as error:
                    raise UserError(f"{task.what}, analysis {number + 1} of {len(plan.tasks)}: {error}") from error
    return results


def _measure(lm: LoadedModel, results: ResultsFolder, number: int, watch: Watch) -> None:
    begun, task = time.monotonic(), results.plan.tasks[number]
    chunks = replace(results.chunks(number), computed=watch.computes)
    kept = task.analysis.run(lm, task.settings, watch.progress, chunks)
    results.finish(number, kept, task.analysis.tables(lm, task.settings, kept), time.monotonic() - begun)
