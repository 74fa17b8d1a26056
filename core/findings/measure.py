"""The measurement of a model's findings: every question in turn, each on its own."""

import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

from core.edits.recipe import ModelName, app_version
from core.errors import UserError
from core.findings.accuracy import Asked, measure_accuracy
from core.findings.adapters import measure_adapters
from core.findings.bias import measure_skew
from core.findings.heads import HeadDecreases, measure_heads
from core.findings.mediation import TASKS, measure_mediation
from core.findings.neuron_sets import NeuronSetLosses, Which, measure_neuron_sets
from core.findings.one_sum import measure_sum
from core.findings.record import FORMAT, FORMAT_VERSION, Findings, Versions
from core.findings.settings import FindingsSettings
from core.findings.shallow import measure_filter
from core.model.load import LoadedModel
from core.progress import Progress, Stopped, part, silent
from core.prompts.arithmetic import Operation
from core.types import Head

T = TypeVar("T")


DEFAULT = FindingsSettings()


def measure(
    lm: LoadedModel,
    settings: FindingsSettings = DEFAULT,
    asked: Sequence[Asked] = (),
    adapters: Path | None = None,
    progress: Progress = silent,
) -> Findings:
    """Asks every question of a model.

    Args:
        lm: the model.
        settings: how much is asked.
        asked: groups of questions for its accuracy.
        adapters: the folder of a LoRA series of it; None: the one that ships with it, if there is one.
        progress: told often; a `Stopped` goes on to the caller, since a part of a question would look like an answer.

    Returns:
        The findings; `missing` names the questions that this model cannot be asked, with the reason.
    """
    began = time.monotonic()
    of_operations = len(settings.operations) * (len(settings.digits) + 2)
    steps = _Steps(progress, len(asked) + of_operations + len(settings.filter_layers) + len(TASKS) + 3)
    accuracy = steps.each({f"accuracy {a.name}": partial(measure_accuracy, lm, a) for a in asked})
    heads = _heads(lm, settings, steps)
    neuron_sets = _neuron_sets(lm, settings, heads, steps)
    filters = steps.each(
        {f"filter {_named(layers)}": partial(measure_filter, lm, settings, layers) for layers in settings.filter_layers}
    )
    mediation = steps.each({f"mediation {task}": partial(measure_mediation, lm, settings, task) for task in TASKS})
    series = steps.ask("adapters", lambda tell: measure_adapters(lm, adapters))
    skew = steps.ask("skew", partial(measure_skew, lm))
    one_sum = steps.ask("one sum", partial(measure_sum, lm, settings))
    return Findings(
        format=FORMAT,
        version=FORMAT_VERSION,
        model=ModelName.of(lm),
        measured=datetime.now(UTC).isoformat(timespec="seconds"),
        seconds=time.monotonic() - began,
        device=lm.device.type,
        versions=Versions(app_version(), version("torch"), version("transformers")),
        settings=settings,
        accuracy=tuple(accuracy),
        heads=tuple(heads.values()),
        neuron_sets=tuple(neuron_sets),
        filters=tuple(one for some in filters for one in some),
        mediation=tuple(mediation),
        adapters=series or (),
        skew=skew,
        one_sum=one_sum,
        missing=steps.missing,
    )


def _heads(lm: LoadedModel, settings: FindingsSettings, steps: "_Steps") -> dict[tuple[Operation, int], HeadDecreases]:
    found = {}
    for operation in settings.operations:
        for digits in settings.digits:
            answer = steps.ask(f"heads {operation} {digits}", partial(measure_heads, lm, settings, operation, digits))
            if answer is not None:
                found[operation, digits] = answer
    return found


def _neuron_sets(
    lm: LoadedModel, settings: FindingsSettings, heads: dict[tuple[Operation, int], HeadDecreases], steps: "_Steps"
) -> list[NeuronSetLosses]:
    """Mask and keep with each operation's top head for the fewest digits, and with all heads that matter for any."""
    found: list[NeuronSetLosses] = []
    for operation in settings.operations:
        mine = [answer for (name, _), answer in heads.items() if name == operation]
        top = [(head.layer, head.head) for answer in mine[:1] for head in answer.top[:1]]
        matter = sorted({head for answer in mine for head in answer.that_matter()})
        chosen: dict[Which, list[Head]] = {"top head": top, "heads that matter": matter}
        for which, some in chosen.items():
            work = partial(measure_neuron_sets, lm, settings, operation, which, some)
            found += steps.ask(f"mask and keep {operation}, {which}", work) or ()
    return found


def _named(layers: Sequence[int]) -> str:
    return f"{layers[0]} to {layers[-1]}" if layers else "of no layer"


class _Steps:
    """The questions in order: how far they are, and why some have no answer."""

    def __init__(self, progress: Progress, total: int):
        self.missing: dict[str, str] = {}
        self._progress, self._total, self._done, self._stopped = progress, total, 0, False

    def each(self, questions: Mapping[str, Callable[[Progress], T]]) -> list[T]:
        """The answers of those questions that have one."""
        answers = (self.ask(name, work) for name, work in questions.items())
        return [answer for answer in answers if answer is not None]

    def ask(self, name: str, work: Callable[[Progress], T]) -> T | None:
        """The answer to one question; None where the model does not let us ask it.

        Raises:
            Stopped: also where the work would have returned what it had.
        """
        try:
            return work(part(self._tell, self._done, self._total))
        except UserError as error:
            self.missing[name] = str(error)
            return None
        finally:
            self._done += 1
            if self._stopped:
                raise Stopped

    def _tell(self, done: int, total: int) -> None:
        try:
            self._progress(done, total)
        except Stopped:
            self._stopped = True
            raise
