"""A plan: analyses with their settings, in the order in which they run; a TOML file.

    [[analysis]]
    what = "sweep"
    operations = ["+", "-"]
    count = 50

    [[analysis]]
    what = "mediation"
    kind = "facts"

A setting that is left out has its default.
"""

import datetime
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from pathlib import Path
from typing import Any

from core.errors import UserError
from core.model.load import LoadedModel
from core.plans.analyses import ANALYSES, Analysis, Study, name_of, plain_settings
from core.plans.toml import to_toml
from core.reading import named, read_as

_ENTRY, _WHAT = "analysis", "what"
_EXAMPLE = f'Write [[{_ENTRY}]] and below it {_WHAT} = "sweep", or take a plan from a page: Run this without a browser.'
_MOST_BYTES = 2**20


@dataclass(frozen=True)
class Task:
    """One analysis of a plan, by its name, with its settings."""

    what: str
    settings: Study

    @property
    def analysis(self) -> Analysis:
        """What is measured."""
        return ANALYSES[self.what]

    def to_dict(self) -> dict[str, Any]:
        """Its table in the plan."""
        return {_WHAT: self.what, **asdict(self.settings)}  # type: ignore[call-overload]

    @classmethod
    def of(cls, settings: object) -> "Task":
        """The task of a page's settings."""
        found = plain_settings(settings)
        return cls(str(name_of(found)), found)


@dataclass(frozen=True)
class Plan:
    """Analyses in the order in which they run."""

    tasks: tuple[Task, ...]

    def to_toml(self) -> str:
        """The plan as a file."""
        return to_toml(_ENTRY, [task.to_dict() for task in self.tasks])

    def check(self, lm: LoadedModel) -> None:
        """Raises `UserError` for settings that the model cannot take, before anything is measured."""
        for number, task in enumerate(self.tasks, 1):
            try:
                task.settings.check(lm)
            except UserError as error:
                raise UserError(f"Analysis {number} of the plan ({task.what}): {error}") from error


def read_plan_file(file: str | Path) -> Plan:
    """Reads a plan.

    Raises:
        UserError: for a file that cannot be read or is not a plan.
    """
    path = Path(file)
    try:
        content = path.read_bytes()
    except OSError as error:
        raise UserError(f"The plan {path} cannot be read ({error.strerror or error}).") from error
    if len(content) > _MOST_BYTES:
        raise UserError(f"The plan {path} has {len(content) / 2**20:.1f} MB; at most 1 MB is read.")
    try:
        return read_plan(content.decode("utf-8-sig"), named(path.absolute()))
    except UnicodeDecodeError as error:
        raise UserError(f"The plan {path} is not text in UTF-8.") from error


def read_plan(text: str, what: str = "This plan") -> Plan:
    """Reads a plan from its text.

    Args:
        text: in TOML.
        what: names the plan at the beginning of a sentence.

    Raises:
        UserError: says what is wrong, where, and what to do.
    """
    try:
        found = tomllib.loads(text)
    except tomllib.TOMLDecodeError as error:
        raise UserError(f"{what} is not TOML: {error}. {_EXAMPLE}") from error
    except RecursionError as error:
        raise UserError(f"{what} is nested too deeply. {_EXAMPLE}") from error
    if unknown := [name for name in found if name != _ENTRY]:
        raise UserError(f"{what} has an unknown field {unknown[0][:40]!r}. {_EXAMPLE}")
    entries = found.get(_ENTRY)
    if not isinstance(entries, list) or not entries or not all(isinstance(entry, dict) for entry in entries):
        raise UserError(f"{what} has no analyses. {_EXAMPLE}")
    return Plan(tuple(_task(entry, f"Analysis {number} of {_lower(what)}") for number, entry in enumerate(entries, 1)))


def _task(entry: Mapping[str, Any], where: str) -> Task:
    name = entry.get(_WHAT)
    if not isinstance(name, str) or name not in ANALYSES:
        there = f"lacks {_WHAT!r}" if name is None else f"is of an unknown kind, {str(name)[:40]!r}"
        raise UserError(f"{where} {there}. Use one of {', '.join(ANALYSES)}.")
    settings = {field: value for field, value in entry.items() if field != _WHAT}
    kind = ANALYSES[name].settings
    remedy = f"The settings of {name} are {', '.join(each.name for each in fields(kind))}."
    if dated := [field for field, value in settings.items() if _has_date(value)]:
        raise UserError(f"{where} ({name}) cannot be used: {dated[0]!r} has a date. Put it in quotes. {remedy}")
    return Task(name, read_as(kind, settings, f"{where} ({name})", remedy))


def _has_date(value: Any) -> bool:
    """Whether there is a TOML date in a value, which JSON does not have."""
    if isinstance(value, dict):
        return any(map(_has_date, value.values()))
    return any(map(_has_date, value)) if isinstance(value, list) else isinstance(value, (datetime.date, datetime.time))


def _lower(what: str) -> str:
    return what.replace("This plan", "this plan")
