"""Strict reading of JSON into dataclasses: every field checked by pydantic, every error a sentence for the person.

A dataclass that is read this way is marked `@strict`: types are taken literally (a boolean is not a number), numbers
are finite, and a field that is not known is refused, since a file that is only half understood may mean something else.
pydantic's own messages never leave this module.
"""

import json
from collections.abc import Callable, Mapping
from functools import cache
from pathlib import Path
from typing import Any, TypeVar

from pydantic import ConfigDict, TypeAdapter, ValidationError, with_config

from core.errors import UserError

T = TypeVar("T")


STRICT = ConfigDict(strict=True, extra="forbid", allow_inf_nan=False, revalidate_instances="always")


#: Marks a dataclass that `read_as` and `checked` check.
strict = with_config(STRICT)


#: Begins the name of a union's branch, which is in pydantic's error paths but is not a field of the file.
BRANCH = "|"


_adapter: Callable[[Any], Any] = cache(TypeAdapter)  # building one takes milliseconds


_SHOWN = 40  # characters of a foreign name that an error repeats


def read_json(
    content: str | bytes, what: str, remedy: str, most_bytes: int = 2**20, ours: bool = True
) -> dict[str, Any]:
    """Parses a JSON object.

    Args:
        content: of the file.
        what: names it at the beginning of a sentence, such as "This recipe".
        remedy: a sentence that says what to do instead.
        most_bytes: the largest size that is read.
        ours: whether Abacus writes such files; in those of other programs the last of repeated fields is used.

    Raises:
        UserError: for a content that is too large, not JSON, not an object, nested too deeply, or, in a file of ours,
            names a field twice.
    """
    size = len(content.encode(errors="replace") if isinstance(content, str) else content)
    if size > most_bytes:
        raise UserError(f"{what} has {size / 2**20:.1f} MB; at most {most_bytes / 2**20:.0f} MB are read. {remedy}")
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        hook = (lambda pairs: _without_repeats(pairs, what, remedy)) if ours else None
        found = json.loads(text, object_pairs_hook=hook)
    except UserError:
        raise
    except RecursionError as error:
        raise UserError(f"{what} is nested too deeply. {remedy}") from error
    except ValueError as error:
        raise UserError(f"{what} is not JSON ({str(error)[:120]}). {remedy}") from error
    if not isinstance(found, dict):
        raise UserError(f"{what} is not a JSON object with named fields. {remedy}")
    return found


def read_json_file(file: Path, remedy: str, most_bytes: int = 2**20, ours: bool = True) -> dict[str, Any]:
    """Parses a file that holds a JSON object; `read_json` explains the arguments.

    Raises:
        UserError: as `read_json`, and for a file that cannot be opened.
    """
    try:
        content = file.read_bytes()
    except OSError as error:
        raise UserError(f"{named(file)} cannot be read ({error.strerror or error}). {remedy}") from error
    return read_json(content, named(file), remedy, most_bytes, ours)


def named(file: Path) -> str:
    """What errors call a file: its name and its folder."""
    return f"{file.name} of {file.parent}"


def _without_repeats(pairs: list[tuple[str, Any]], what: str, remedy: str) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found:
            raise UserError(f"{what} cannot be used: {name[:_SHOWN]!r} appears twice in one object. {remedy}")
        found[name] = value
    return found


def read_as(kind: type[T], found: Mapping[str, Any], what: str, remedy: str) -> T:
    """Makes a `strict` dataclass from parsed JSON.

    Args:
        kind: the dataclass.
        found: what `read_json` gave.
        what: names the file at the beginning of a sentence.
        remedy: a sentence that says what to do instead.

    Raises:
        UserError: names the first field that is missing, unknown or wrong.
    """
    try:
        content = json.dumps(found, ensure_ascii=False).encode()  # pydantic takes arrays for tuples in JSON only
        return _adapter(kind).validate_json(content)
    except UnicodeEncodeError as error:
        raise UserError(f"{what} cannot be used: a text in it {_HALF_A_CHARACTER}. {remedy}") from error
    except ValidationError as error:
        raise _as_user_error(error, what, remedy) from error


def checked(value: T, what: str, remedy: str) -> T:
    """A `strict` dataclass that was made in Python, after the same checks as a file.

    Raises:
        UserError: as `read_as`.
    """
    try:
        return _adapter(type(value)).validate_python(value)
    except ValidationError as error:
        raise _as_user_error(error, what, remedy) from error


def _as_user_error(error: ValidationError, what: str, remedy: str) -> UserError:
    """The first of pydantic's errors as a sentence."""
    first = error.errors(include_url=False, include_input=False)[0]
    path = tuple(part for part in first["loc"] if not str(part).startswith(BRANCH))
    kind, limits = first["type"], first.get("ctx", {})
    if kind in _OF_A_FIELD:
        *path_before, last = path
        where, problem = _where(tuple(path_before)), _OF_A_FIELD[kind](last)
    else:
        where, problem = _where(path), _PROBLEMS[kind](limits) if kind in _PROBLEMS else "has a wrong value"
    return UserError(f"{what} cannot be used: {where} {problem}. {remedy}")


def _where(path: tuple[int | str, ...]) -> str:
    """A path such as ("edits", 0, "factor") in words: 'factor' of entry 1 of 'edits'."""
    parts = [f"entry {part + 1}" if isinstance(part, int) else repr(part[:_SHOWN]) for part in path]
    return " of ".join(reversed(parts)) or "it"


def _missing(field: int | str) -> str:
    return f"lacks {field[:_SHOWN]!r}" if isinstance(field, str) else f"lacks entry {field + 1}"


_HALF_A_CHARACTER = "holds half a character, which cannot be written"


#: Errors that pydantic reports at a field, and that are about the object that should hold it, or should not.
_OF_A_FIELD: dict[str, Callable[[int | str], str]] = {
    "missing": _missing,
    "extra_forbidden": lambda field: f"has an unknown field {str(field)[:_SHOWN]!r}",
    "unexpected_keyword_argument": lambda field: f"has an unknown field {str(field)[:_SHOWN]!r}",
}


#: What is wrong with a value, by pydantic's name of the error; the argument has the limits that the field sets.
_PROBLEMS: dict[str, Callable[[dict[str, Any]], str]] = {
    **dict.fromkeys(
        ("int_type", "int_from_float", "int_parsing", "int_parsing_size"), lambda c: "is not a whole number"
    ),
    **dict.fromkeys(("float_type", "float_parsing", "finite_number"), lambda c: "is not a finite number"),
    "bool_type": lambda c: "is neither true nor false",
    "string_type": lambda c: "is not text",
    "string_unicode": lambda c: _HALF_A_CHARACTER,
    "json_invalid": lambda c: f"is not JSON ({str(c['error'])[:120]})",
    **dict.fromkeys(("list_type", "tuple_type"), lambda c: "is not a list"),
    **dict.fromkeys(
        ("dict_type", "dataclass_type", "dataclass_exact_type", "model_type"),
        lambda c: "is not an object with named fields",
    ),
    "literal_error": lambda c: f"is not {c['expected']}",
    "string_too_long": lambda c: f"is longer than {c['max_length']:,} characters",
    "string_too_short": lambda c: f"is shorter than {c['min_length']:,} characters",
    "string_pattern_mismatch": lambda c: "is not written as it should be",
    "too_long": lambda c: f"has more than {c['max_length']:,} entries",
    "too_short": lambda c: f"has fewer than {c['min_length']:,} entries",
    "greater_than": lambda c: f"is not more than {c['gt']:,}",
    "greater_than_equal": lambda c: f"is less than {c['ge']:,}",
    "less_than": lambda c: f"is not less than {c['lt']:,}",
    "less_than_equal": lambda c: f"is more than {c['le']:,}",
}
