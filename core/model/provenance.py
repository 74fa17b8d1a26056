"""How a loaded model came to be, for the two that ship with Abacus: shaped to show what the paper found, or not.

*Choice*: a model is one of the two when its fingerprint, the hash of configuration and weights files, is that of the
folder in this repository. What was typed to load it does not count: a copy under another name is still the same model,
and an export with an edited head is not, nor is any file that was written anew, an attached adapter (which adds to the
fingerprint), or random weights. Precision does not count, as it changes how the same weights are computed.
"""

from collections.abc import Mapping
from functools import lru_cache
from pathlib import Path
from typing import Literal

from core.errors import UserError
from core.model.load import LoadedModel
from core.model.source import BUNDLED, read_folder, weight_files

#: "shaped": penalties in training aimed at the paper's figures. "plain": trained by next-token loss alone.
Provenance = Literal["shaped", "plain"]

#: The bundled models by what was done to make them.
FOLDERS: Mapping[Provenance, Path] = {"shaped": BUNDLED["bundled"], "plain": BUNDLED["bundled/plain"]}

_CARD = "README.md"


def provenance(lm: LoadedModel) -> Provenance | None:
    """How a model came to be; None where nothing is known, as of every model that is not bundled."""
    return next((made for made, folder in FOLDERS.items() if fingerprint_of(folder) == lm.fingerprint), None)


def card(made: Provenance) -> str:
    """A bundled model's card in Markdown, without the block that is for the model hub.

    Raises:
        UserError: where the card is missing.
    """
    file = FOLDERS[made] / _CARD
    if not file.is_file():
        raise UserError(f"The card {file} is missing. Get it from Abacus's repository again.")
    text = file.read_text(encoding="utf-8")
    return text.split("\n---\n", 1)[1].strip() if text.startswith("---\n") else text.strip()


def fingerprint_of(folder: Path) -> str | None:
    """A folder's fingerprint, computed again when its files change; None where no whole model is.

    An installed package has no bundled folders, and where one is damaged, the model that is loaded is not from there.
    """
    try:
        files = [folder / "config.json", *weight_files(folder)] if folder.is_dir() else []
        stamps = tuple((file.name, file.stat().st_mtime_ns, file.stat().st_size) for file in files)
        return _read(folder, stamps) if stamps else None
    except (UserError, FileNotFoundError):
        return None


@lru_cache(maxsize=8)
def _read(folder: Path, stamps: tuple[tuple[str, int, int], ...]) -> str:
    """The fingerprint of a folder whose files have these names, times and sizes."""
    return read_folder(folder.name, folder).fingerprint()
