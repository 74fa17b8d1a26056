"""One adapter per layer, each trained alone, as a series of folders (CNA §5, figure 2).

`python -m core lora-series --out folder` trains the series of a model; the page does the
same. A layer that is finished is not trained again, a layer that was stopped resumes from
its checkpoint, so a killed series loses at most the steps since the last point of a curve.
"""

import hashlib
import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path

import pandas as pd
import platformdirs

from core.errors import UserError
from core.lora.settings import About, LoraSettings, read_about
from core.lora.train import train_adapter
from core.lora.training_data import TrainingData
from core.model.adapter_files import ABOUT
from core.model.load import LoadedModel
from core.model.source import BUNDLED
from core.progress import Progress, part, silent
from core.prompts.signed_arithmetic import GROUPS
from core.writing import typed_path

#: Where the series of the bundled models are, by the models' names.
SHIPPED: Mapping[str, Path] = {name: folder / "lora" for name, folder in BUNDLED.items()}


@dataclass(frozen=True)
class Series:
    """The adapters of a folder that fit a model, at most one per layer.

    Attributes:
        folder: holds one folder per layer.
        adapters: what was measured of each, in order of layer.
    """

    folder: Path
    adapters: tuple[About, ...]

    @property
    def finished(self) -> list[About]:
        """Those whose training ran to its end."""
        return [about for about in self.adapters if about.finished]

    def has(self, layers: Sequence[int], settings: LoraSettings) -> bool:
        """Whether there is a finished adapter with these settings on each of the layers."""
        return {about.layer for about in self.finished if about.settings == settings} >= set(layers)

    def place(self, layer: int) -> Path:
        """The adapter folder of a layer."""
        return place_of(self.folder, layer)

    def best(self, up_to: int | None = None) -> About:
        """The adapter with the highest accuracy, among equals on the lowest layer; a finished one where there is any.

        Args:
            up_to: only adapters on this layer and those below; None: all.

        Raises:
            UserError: when there is none.
        """
        there = [about for about in self.adapters if up_to is None or about.layer <= up_to]
        there = [about for about in there if about.finished] or there
        if not there:
            where = "" if up_to is None else f" on layers 0 to {up_to}"
            raise UserError(f"There is no adapter{where} in {self.folder}. Train one first.")
        return max(there, key=lambda about: about.accuracy["all"])

    def to_frame(self) -> pd.DataFrame:
        """One row per layer and group.

        Columns: layer, group, accuracy, base (shares of 1), n, steps, total, finished, seed, skipped (steps).
        """
        rows = [
            (
                about.layer,
                group,
                about.accuracy[group],
                about.base[group],
                about.n_test[group],
                about.steps,
                about.total,
                about.finished,
                about.settings.seed,
                about.skipped,
            )
            for about in self.adapters
            for group in ("all", *GROUPS)
            if group in about.accuracy
        ]
        columns = ["layer", "group", "accuracy", "base", "n", "steps", "total", "finished", "seed", "skipped"]
        return pd.DataFrame(rows, columns=columns)


def place_of(folder: str | Path, layer: int) -> Path:
    """The adapter folder of a layer in a series."""
    return Path(folder) / f"layer_{layer}"


def own_folder(lm: LoadedModel, settings: LoraSettings) -> Path:
    """Where the series of a model with these settings is kept on this computer; `ABACUS_DATA` names another place."""
    text = json.dumps(asdict(settings), sort_keys=True)
    return _own(lm) / hashlib.sha256(text.encode()).hexdigest()[:8]


def _own(lm: LoadedModel) -> Path:
    home = Path(os.environ.get("ABACUS_DATA") or platformdirs.user_data_dir("abacus"))
    return home / "lora" / f"{lm.fingerprint}-{lm.precision}"


def shipped_series(lm: LoadedModel) -> list[Series]:
    """The series that was shipped with a model; empty for a model that came without one."""
    return [series for folder in SHIPPED.values() if (series := read_series(lm, folder)).adapters]


def own_series(lm: LoadedModel) -> list[Series]:
    """Every series of a model that is kept on this computer, the newest first."""
    folders = sorted(_own(lm).glob("*"), key=lambda folder: -folder.stat().st_mtime)
    return [series for folder in folders if (series := read_series(lm, folder)).adapters]


def read_series(lm: LoadedModel, folder: str | Path) -> Series:
    """The adapters of a folder that were trained on this very model; empty where there are none."""
    found = []
    for file in sorted(Path(folder).glob(f"layer_*/{ABOUT}")):
        about = read_about(file.parent)
        if about and about.fingerprint == lm.fingerprint and file.parent == place_of(folder, about.layer):
            found.append(about)
    return Series(Path(folder), tuple(sorted(found, key=lambda about: about.layer)))


def train_series(
    lm: LoadedModel,
    folder: str | Path,
    settings: LoraSettings,
    layers: Sequence[int] | None = None,
    progress: Progress = silent,
) -> Series:
    """Trains an adapter for each layer that has none yet in the folder.

    Args:
        lm: the base model.
        folder: of the series.
        settings: of every training.
        layers: which; None: all.
        progress: called after every step; when it raises `Stopped`, the best adapter so far of
            the current layer is kept, and the next call resumes.

    Raises:
        UserError: for a layer that does not exist, or a folder with adapters of other settings or another model.
    """
    wanted = sorted(set(range(lm.n_layers) if layers is None else layers))
    if not wanted or wanted[0] < 0 or wanted[-1] >= lm.n_layers:
        raise UserError(f"Choose layers between 0 and {lm.n_layers - 1}.")
    folder = typed_path(folder, "a folder for the adapters")
    _check_folder(lm, folder, settings)
    done = {about.layer for about in read_series(lm, folder).finished}
    left = [layer for layer in wanted if layer not in done]
    if not left:
        return read_series(lm, folder)
    data = TrainingData(lm, settings)
    for number, layer in enumerate(left):
        _, about = train_adapter(data, layer, place_of(folder, layer), part(progress, number, len(left)))
        if not about.finished:
            break
    return read_series(lm, folder)


def _check_folder(lm: LoadedModel, folder: Path, settings: LoraSettings) -> None:
    for file in sorted(folder.glob(f"layer_*/{ABOUT}")):
        about = read_about(file.parent)
        if about and (about.fingerprint != lm.fingerprint or about.settings != settings):
            other = "another model" if about.fingerprint != lm.fingerprint else "other settings"
            raise UserError(f"{folder} holds adapters of {other}. Choose another folder, or remove it first.")
