"""Model folders and hub models: where is one, is it safe to load, and will it fit? Asked before a weight is read."""

import hashlib
import json
import os
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from math import prod
from pathlib import Path
from typing import Annotated, Any

import psutil
import torch
from pydantic import Field, with_config
from safetensors import SafetensorError, safe_open

from core.errors import UserError
from core.model.architectures import architecture_of
from core.model.hub import Entry, HubName, no_weights
from core.model.precision import stored_precision
from core.reading import STRICT, named, read_as, read_json_file
from core.writing import typed_path

_IN_CLONE = Path(__file__).resolve().parents[2] / "bundled"


#: The folders of the models in Abacus's repository by their names.
BUNDLED: Mapping[str, Path] = {"bundled": _IN_CLONE / "shaped", "bundled/plain": _IN_CLONE / "plain"}


_SAME = {"bundled/shaped": "bundled"}


_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "int8": 2.0}


_INDEX, _SINGLE = "model.safetensors.index.json", "model.safetensors"


_MOST_BYTES = 64 * 2**20  # of a configuration or an index


_AGAIN = "Download it or save it again."


_WHOLE_FILE = 256 * 2**20


#: What a model takes while it runs, by the size of its weights.
HEADROOM = 1.1


Shapes = tuple[tuple[str, tuple[int, ...]], ...]


@dataclass(frozen=True)
class Source:
    """A model that was found: its configuration and the headers of its weights.

    `folder` is None for a hub model that is not downloaded yet.
    """

    name: str
    config: dict[str, Any]
    entries: tuple[Entry, ...]
    folder: Path | None
    revision: str | None = None

    @property
    def shapes(self) -> Shapes:
        """Names and shapes of the weights."""
        return tuple((name, shape) for name, shape, _ in self.entries)

    @property
    def stored(self) -> str | None:
        """The checkpoint's own precision: as its configuration says, else that of most weights; None for no float."""
        told = stored_precision(self.config.get("dtype") or self.config.get("torch_dtype"))
        if told is not None:
            return told
        counts: Counter[str] = Counter()
        for _, shape, dtype in self.entries:
            if (precision := stored_precision(dtype)) is not None:
                counts[precision] += prod(shape)
        return counts.most_common(1)[0][0] if counts else None

    @property
    def model_type(self) -> str | None:
        """The configuration's `model_type`."""
        return self.config.get("model_type")

    def memory(self, precision: str) -> int:
        """Bytes that the weights take once loaded; int8 halves the layers' matrices."""
        layers = architecture_of(self.model_type).layers + "."
        bare = layers.partition(".")[2]  # some files leave out the first part of names
        total = 0.0
        for name, shape in self.shapes:
            quantised = precision == "int8" and len(shape) == 2 and (layers in name or name.startswith(bare))
            total += prod(shape) * (1.0 if quantised else _BYTES[precision])
        return int(total)

    def check_memory(self, precision: str, device: torch.device) -> None:
        """Raises `UserError` when the weights, and a tenth more to run, do not fit."""
        need, free = self.memory(precision) * HEADROOM, free_memory(device)
        if need > free:
            smaller = " To go on," if precision == "int8" else " Load it in a smaller precision (int8 is the least), or"
            raise UserError(
                f"{self.name} needs about {need / 2**30:.1f} GB as {precision}, and {free / 2**30:.1f} GB are free on "
                f"this {'GPU' if device.type == 'cuda' else 'computer'}.{smaller} close other programs or choose a "
                "smaller model."
            )

    def fetched(self) -> "Source":
        """The same with its files on this computer: downloads a hub model, safetensors only.

        Raises:
            UserError: when the download fails.
        """
        if self.folder is not None:
            return self
        folder = HubName.of(self.name).downloaded()
        return replace(read_folder(self.name, folder), revision=folder.name)

    def fingerprint(self) -> str:
        """Hash of the configuration and weights of a model that is on this computer.

        Files over 256 MB count with their size, header and 64 evenly spaced blocks of
        64 KB, so that a model of many GB is named within a second.
        """
        assert self.folder is not None
        digest = hashlib.sha256(json.dumps(self.config, sort_keys=True).encode())
        for file in weight_files(self.folder):
            size = file.stat().st_size
            digest.update(f"{file.name} {size}".encode())
            with file.open("rb") as stream:
                if size <= _WHOLE_FILE:
                    digest.update(stream.read())
                    continue
                for block in range(64):
                    stream.seek(block * (size // 64))
                    digest.update(stream.read(2**16))
        return digest.hexdigest()[:16]


def free_memory(device: torch.device) -> int:
    """Bytes that a model may still take on the device."""
    if device.type == "cuda":
        return int(torch.cuda.mem_get_info(device)[0])
    return int(psutil.virtual_memory().available)


def bundled_name(source: str) -> str | None:
    """The name of a bundled model, whichever of its names is given; None for any other source."""
    name = _SAME.get(source, source)
    return name if name in BUNDLED else None


def is_local(source: str) -> bool:
    """Whether a source is a bundled model or a path, and not a hub id, which may end in @ and a revision."""
    if bundled_name(source) or source.startswith("bundled/"):
        return True
    looks_like_path = source.startswith((".", "/", "~")) or source.partition("@")[0].count("/") > 1 or "\\" in source
    return looks_like_path or os.path.exists(source)


def locate(source: str) -> Source:
    """Finds a bundled model, a folder or a hub id and reads what it is; of a hub model only descriptions are fetched.

    A bundled model's name means that model in every working directory, also where a folder is called so. A hub id may
    end in @ and a revision (`core.model.hub`). What is a folder here is that folder, also with an @.

    Raises:
        UserError: says what is missing, or that the architecture is not supported.
    """
    if not source.strip():
        raise UserError('No model is named. Use "bundled", a folder, or a hub id such as huggyllama/llama-7b.')
    if name := bundled_name(source):
        found = _read_bundled(name)
    elif source.startswith("bundled/") and not os.path.exists(source):
        raise UserError(
            f"There is no bundled model {source!r}, only {' and '.join(map(repr, BUNDLED))}. Name one of them."
        )
    elif is_local(source):
        found = read_folder(source, typed_path(source, "the folder of a model"))
    else:
        found = _look_up(source)
    architecture_of(found.model_type)
    if found.config.get("quantization_config"):
        raise UserError(
            f"{source} is stored in a quantised format. Choose the original model and load it as int8 instead."
        )
    return found


def _read_bundled(name: str) -> Source:
    if not BUNDLED[name].is_dir():
        raise UserError(
            "The bundled models are in Abacus's repository, not in the installed package. Install from a clone with "
            "`pip install -e .`, or name a folder or a hub id."
        )
    return read_folder(name, BUNDLED[name])


def _look_up(name: str) -> Source:
    """A hub model's descriptions: asked for there, or read from the hub's cache where it cannot be asked."""
    hub = HubName.of(name)
    try:
        config, entries, commit = hub.described()
    except UserError:
        raise
    except Exception as error:  # hub, network and disk fail in many types of their own
        folder = hub.cached()
        if folder is None:
            raise hub.not_had(error) from error
        try:
            return replace(read_folder(name, folder), revision=folder.name)
        except UserError as incomplete:  # only its descriptions were downloaded
            raise hub.not_had(error) from incomplete
    return Source(name, config, entries, None, commit)


def read_folder(name: str, folder: Path) -> Source:
    """Reads the configuration and the headers of the weights in a folder.

    Raises:
        UserError: for a folder that is not a model folder, or weights that are not safetensors.
    """
    if not os.path.isdir(folder):  # also of a name that is too long to ask for
        raise UserError(f"The folder {name} does not exist.")
    config_file = folder / "config.json"
    if not config_file.is_file():
        raise UserError(
            f"{name} is not a model folder: it has no config.json. Choose a folder that save_pretrained wrote."
        )
    config = read_json_file(config_file, "Choose a folder that save_pretrained wrote.", _MOST_BYTES, ours=False)
    entries = tuple(entry for file in weight_files(folder) for entry in _header(file))
    if not entries:
        raise no_weights(name, [file.name for file in folder.iterdir()])
    return Source(name, config, entries, folder)


@with_config({**STRICT, "extra": "ignore"})  # other programs note the total size and more
@dataclass(frozen=True)
class _Index:
    """Which file of a folder holds which tensor."""

    weight_map: dict[str, Annotated[str, Field(pattern=r"^[^/\\]+\.safetensors$")]]


def weight_files(folder: Path) -> list[Path]:
    """The safetensors files that make up a model: those of the index, the single one, or all there are.

    Raises:
        UserError: when a file that the index names is missing.
    """
    index = folder / _INDEX
    if index.is_file():
        found = read_json_file(index, _AGAIN, _MOST_BYTES, ours=False)
        names = sorted(set(read_as(_Index, found, named(index), _AGAIN).weight_map.values()))
        if missing := [name for name in names if not (folder / name).is_file()]:
            raise UserError(f"{folder.name} is not whole: {missing[0]} is missing. {_AGAIN}")
        return [folder / name for name in names]
    return [folder / _SINGLE] if (folder / _SINGLE).is_file() else sorted(folder.glob("*.safetensors"))


def _header(file: Path) -> tuple[Entry, ...]:
    """What a file says of its tensors; safetensors itself refuses a header that does not agree with the file."""
    try:
        with safe_open(file, framework="pt") as tensors:
            names = tensors.keys()
            slices = ((name, tensors.get_slice(name)) for name in names)
            return tuple((name, tuple(part.get_shape()), part.get_dtype()) for name, part in slices)
    except (OSError, SafetensorError) as error:
        raise UserError(f"{file.name} is not a safetensors file that can be read: {error}. {_AGAIN}") from error
