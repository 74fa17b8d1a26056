"""Settings written as TOML, which the standard library only reads."""

import json
from collections.abc import Mapping, Sequence
from typing import Any

#: A table's fields and their values.
Table = Mapping[str, Any]


def to_toml(name: str, tables: Sequence[Table]) -> str:
    """An array of tables, one field a line; fields without a value (None) are left out, so they take their default.

    Values are texts, numbers, booleans, and lists or tuples of these.
    """
    return "\n".join("".join([f"[[{name}]]\n", *(_line(*field) for field in table.items())]) for table in tables)


def _line(name: str, value: Any) -> str:
    return "" if value is None else f"{name} = {_value(value)}\n"


def _value(value: Any) -> str:
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, (int, float)):
        return repr(value)
    if isinstance(value, str):  # TOML's escapes are those of JSON, and DEL is one more that must be escaped
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, Mapping):
        return "{" + ", ".join(f"{name} = {_value(one)}" for name, one in value.items() if one is not None) + "}"
    return "[" + ", ".join(map(_value, value)) + "]"
