"""Records: results and settings as one safetensors file each, read back as the same dataclasses, bit for bit.

Tensors stand in the file as they are; everything else stands in its header as JSON. Nothing in a file is run: only
dataclasses of a given table are made, and the table's names, not the places of the classes, are what a file holds.
"""

import json
import math
import os
import tempfile
from collections.abc import Mapping
from dataclasses import fields, is_dataclass
from pathlib import Path
from typing import Any

import torch
from safetensors import SafetensorError, safe_open
from safetensors.torch import save
from torch import Tensor

from core.errors import UserError
from core.metrics import METRICS, Metric
from core.reading import named
from core.writing import explain_write_errors

#: Dataclasses that may stand in a record, by the names that a file calls them.
Kinds = Mapping[str, type]

_RECORD = "record"


def write_record(file: Path, value: Any, kinds: Kinds) -> None:
    """Writes a value beside its place and moves it there: a file is whole or is not there.

    Args:
        file: whose folder exists.
        value: numbers, texts, tensors, lists, tuples, dictionaries and the dataclasses of the table.
        kinds: the table.

    Raises:
        UserError: when the file cannot be written, such as on a full disk.
    """
    tensors: dict[str, Tensor] = {}
    told = json.dumps(_encoded(value, tensors, {kind: name for name, kind in kinds.items()}), ensure_ascii=False)
    write_whole(file, save(tensors, {_RECORD: told}))


def write_whole(file: Path, content: bytes) -> None:
    """Writes a file beside its place and moves it there, after it has reached the disk.

    Raises:
        UserError: when it cannot be written; what stood there stays.
    """
    with explain_write_errors(file):
        handle, part = tempfile.mkstemp(dir=file.parent, prefix=f".{file.name}-", suffix=".part")
        try:
            with os.fdopen(handle, "wb") as opened:
                opened.write(content)
                opened.flush()
                os.fsync(opened.fileno())
            os.chmod(part, 0o644)
            os.replace(part, file)
        finally:
            Path(part).unlink(missing_ok=True)


def read_record(file: Path, kinds: Kinds, remedy: str) -> Any:
    """Reads what `write_record` wrote.

    Args:
        file: of the record.
        kinds: the table.
        remedy: a sentence that says what to do instead, where it cannot be read.

    Raises:
        UserError: for a file that cannot be read, is cut off, or holds something else.
    """
    try:
        with safe_open(file, "pt") as opened:
            tensors = {name: opened.get_tensor(name) for name in opened.keys()}  # noqa: SIM118 - it is no dictionary
            told = json.loads((opened.metadata() or {})[_RECORD])
        return _decoded(told, tensors, kinds)
    except OSError as error:
        raise UserError(f"{named(file)} cannot be read ({error.strerror or error}). {remedy}") from error
    except (SafetensorError, AttributeError, KeyError, TypeError, ValueError) as error:
        raise UserError(f"{named(file)} is cut off, or is not a result of this version. {remedy}") from error


def _encoded(value: Any, tensors: dict[str, Tensor], names: Mapping[type, str]) -> Any:
    """As JSON; what JSON has no word for is an object with one field, which says what it is."""
    if value is None or isinstance(value, (bool, int, str)):
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"float": str(value)}
    if isinstance(value, Tensor):
        name = str(len(tensors))
        tensors[name] = value.detach().cpu().contiguous().clone()
        return {"tensor": name}
    if isinstance(value, (list, tuple)):
        return {type(value).__name__: [_encoded(one, tensors, names) for one in value]}
    if isinstance(value, dict):
        return {"dict": [[_encoded(part, tensors, names) for part in pair] for pair in value.items()]}
    if isinstance(value, Metric) and METRICS.get(value.name) == value:
        return {"metric": value.name}
    if is_dataclass(value) and type(value) in names:
        made = {each.name: _encoded(getattr(value, each.name), tensors, names) for each in fields(value)}
        return {names[type(value)]: made}
    raise TypeError(f"{type(value).__name__} cannot stand in a record")


def _decoded(told: Any, tensors: Mapping[str, Tensor], kinds: Kinds) -> Any:
    if not isinstance(told, dict):
        return told
    ((kind, content),) = told.items()
    if kind == "float":
        return float(content)
    if kind == "tensor":
        return tensors[content]
    if kind == "metric":
        return METRICS[content]
    if kind == "list":
        return [_decoded(one, tensors, kinds) for one in content]
    if kind == "tuple":
        return tuple(_decoded(one, tensors, kinds) for one in content)
    if kind == "dict":
        return {_decoded(key, tensors, kinds): _decoded(value, tensors, kinds) for key, value in content}
    return kinds[kind](**{name: _decoded(value, tensors, kinds) for name, value in content.items()})


def same(first: Any, second: Any) -> bool:
    """Whether two values are equal to the last bit; two NaN are."""
    if type(first) is not type(second):
        return False
    if isinstance(first, Tensor):
        alike = first.dtype == second.dtype and first.shape == second.shape
        return alike and torch.equal(_bits(first), _bits(second))
    if isinstance(first, (list, tuple)):
        return len(first) == len(second) and all(same(*pair) for pair in zip(first, second, strict=True))
    if isinstance(first, dict):
        return same(list(first.items()), list(second.items()))
    if is_dataclass(first):
        return all(same(getattr(first, each.name), getattr(second, each.name)) for each in fields(first))
    return bool(first == second or (first != first and second != second))


def _bits(tensor: Tensor) -> Tensor:
    return tensor.flatten().contiguous().view(torch.uint8)
