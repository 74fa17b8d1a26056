"""Where is a model, is it safe to load, and will it fit? Asked before any weight is read."""

import hashlib
import json
import struct
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import psutil
import torch
from huggingface_hub import snapshot_download
from huggingface_hub.errors import HfHubHTTPError, HFValidationError, LocalEntryNotFoundError

from core.errors import UserError

BUNDLED = Path(__file__).resolve().parent.parent / "bundled"
_BYTES = {"fp32": 4.0, "bf16": 2.0, "fp16": 2.0, "int8": 2.0}
_FILES = ["*.json", "*.safetensors", "*.model", "*.txt"]
_WHOLE_FILE = 256 * 2**20
_HEADROOM = 1.1


@dataclass(frozen=True)
class Source:
    """A model folder that holds a configuration and safetensors weights."""

    name: str
    folder: Path
    config: dict[str, Any]
    revision: str | None = None

    @property
    def model_type(self) -> str | None:
        """The configuration's `model_type`."""
        return self.config.get("model_type")

    def weight_files(self) -> list[Path]:
        """The safetensors files, in order."""
        return sorted(self.folder.glob("*.safetensors"))

    def memory(self, precision: str) -> int:
        """Bytes that the weights take once loaded; int8 halves the layers' matrices."""
        total = 0.0
        for name, shape in self._shapes():
            count = 1
            for size in shape:
                count *= size
            inner = precision == "int8" and len(shape) == 2 and "layers." in name
            total += count * (1.0 if inner else _BYTES[precision])
        return int(total)

    def _shapes(self) -> Iterator[tuple[str, list[int]]]:
        for file in self.weight_files():
            for name, entry in _header(file).items():
                if name != "__metadata__":
                    yield name, entry["shape"]

    def check_memory(self, precision: str, device: torch.device) -> None:
        """Raises `UserError` when the weights, and a tenth more to run, do not fit."""
        need, free = self.memory(precision) * _HEADROOM, free_memory(device)
        if need > free:
            smaller = "" if precision == "int8" else " Load it in a smaller precision (int8 is the smallest), or"
            raise UserError(
                f"{self.name} needs about {need / 2**30:.1f} GB as {precision}, and {free / 2**30:.1f} GB are free "
                f"on this {'GPU' if device.type == 'cuda' else 'computer'}.{smaller or ' To go on,'} close other "
                "programs or choose a smaller model."
            )

    def fingerprint(self) -> str:
        """Hash of the configuration and weights.

        Files over 256 MB count with their size, header and 64 evenly spaced blocks of
        64 KB, so that a model of many GB is named within a second.
        """
        digest = hashlib.sha256(json.dumps(self.config, sort_keys=True).encode())
        for file in self.weight_files():
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


def locate(source: str) -> Source:
    """Finds "bundled", a folder, or a hub id (downloading its safetensors), and checks what is there.

    Raises:
        UserError: says what is missing.
    """
    if source == "bundled":
        return _read_folder("bundled", BUNDLED, None)
    if not source.strip():
        raise UserError('No model is named. Use "bundled", a folder, or a hub id such as huggyllama/llama-7b.')
    path = Path(source).expanduser()
    if path.exists() or source.startswith((".", "/", "~")) or source.count("/") > 1 or "\\" in source:
        return _read_folder(source, path, None)
    return _download(source)


def _download(hub_id: str) -> Source:
    try:
        folder = Path(snapshot_download(hub_id, allow_patterns=_FILES))
    except (HFValidationError, HfHubHTTPError, LocalEntryNotFoundError, OSError) as error:
        raise UserError(
            f"There is no folder {hub_id!r} here, and it could not be had from the Hugging Face hub "
            f"({type(error).__name__}). Check the name and the network; a gated model needs `hf auth login` first."
        ) from error
    return _read_folder(hub_id, folder, folder.name)


def _read_folder(name: str, folder: Path, revision: str | None) -> Source:
    if not folder.is_dir():
        raise UserError(f"The folder {name} does not exist.")
    config_file = folder / "config.json"
    if not config_file.is_file():
        raise UserError(f"{name} is no model: it has no config.json. Choose a folder that save_pretrained wrote.")
    try:
        config = json.loads(config_file.read_text(encoding="utf-8"))
    except ValueError as error:
        raise UserError(f"config.json of {name} is no JSON: {error}") from error
    if not isinstance(config, dict):
        raise UserError(f"config.json of {name} holds no settings.")
    found = Source(name, folder, config, revision)
    if not found.weight_files():
        pickled = [*folder.glob("*.bin"), *folder.glob("*.pt"), *folder.glob("*.pth")]
        if pickled:
            raise UserError(
                f"{name} has its weights as a pickle ({pickled[0].name}), which can run any code when it is opened, "
                "so it is refused. Convert it to safetensors first (model.save_pretrained does)."
            )
        raise UserError(f"{name} has no weights: there is no .safetensors file beside config.json.")
    return found


def _header(file: Path) -> dict[str, Any]:
    try:
        with file.open("rb") as stream:
            (length,) = struct.unpack("<Q", stream.read(8))
            if length > 100 * 2**20:
                raise ValueError("its header is longer than safetensors allows")
            header = json.loads(stream.read(length))
    except (ValueError, struct.error) as error:
        raise UserError(f"{file.name} is no safetensors file: {error}") from error
    return header
