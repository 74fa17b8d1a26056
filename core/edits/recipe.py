"""How is an edit written down, so that someone else can repeat it? A small readable JSON file.

It names the model by fingerprint, precision, tokenizer and shape, and lists heads and
neurons with their factors. `core.edits.recipe_reader` reads it back.
"""

import hashlib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Any
from weakref import WeakKeyDictionary

from core.edits.edit_set import check_edits, kind_of, name_of, place_of
from core.errors import UserError
from core.hooks import Edit
from core.model.load import LoadedModel

FORMAT, FORMAT_VERSION = "abacus edit", 1


_hashes: "WeakKeyDictionary[LoadedModel, str]" = WeakKeyDictionary()  # a large vocabulary takes a moment


_LONGEST = {"title": 200, "note": 10_000}


class OtherModelError(UserError):
    """A recipe of another model.

    `fits` says whether layers, heads and neurons are as many, so that it can be used all the same.
    """

    def __init__(self, message: str, fits: bool):
        super().__init__(message)
        self.fits = fits


@dataclass(frozen=True)
class ModelName:
    """What a recipe remembers of its model.

    `tokenizer` is a hash of the vocabulary; `shape` the numbers of layers, heads and neurons a layer.
    """

    name: str
    fingerprint: str
    revision: str | None
    precision: str
    tokenizer: str
    shape: tuple[int, int, int]

    @classmethod
    def of(cls, lm: LoadedModel) -> "ModelName":
        """Names a loaded model."""
        shape = (lm.n_layers, lm.n_heads, lm.n_neurons)
        return cls(lm.name, lm.fingerprint, lm.revision, lm.precision, tokenizer_hash(lm), shape)


@dataclass(frozen=True)
class Recipe:
    """Edits of one model, with a title and a note."""

    model: ModelName
    edits: tuple[Edit, ...]
    title: str = ""
    note: str = ""
    app_version: str = ""

    @classmethod
    def of(cls, lm: LoadedModel, edits: Sequence[Edit], title: str = "", note: str = "") -> "Recipe":
        """Writes down edits of a loaded model.

        Raises:
            UserError: for edits that the model cannot take, the same place twice, or too long a title or note.
        """
        check_edits(lm, edits)
        for field, text in (("title", title), ("note", note)):
            text_field({field: text}, field)
        check_places(edits)
        return cls(ModelName.of(lm), tuple(edits), title.strip(), note.strip(), app_version())

    def to_json(self) -> str:
        """The file's text, an edit a line."""
        lines = [json.dumps({kind_of(e): name_of(e), "factor": _short(e.factor)}) for e in self.edits]
        head = {
            "format": FORMAT,
            "format_version": FORMAT_VERSION,
            "app_version": self.app_version,
            "title": self.title,
            "note": self.note,
            "model": {**vars(self.model), "shape": list(self.model.shape)},
        }
        begin = json.dumps(head, indent=1, ensure_ascii=False).removesuffix("\n}")
        return f'{begin},\n "edits": [' + ",".join(f"\n  {line}" for line in lines) + "\n ]\n}\n"


def edits_for(lm: LoadedModel, recipe: Recipe, override: bool = False) -> tuple[Edit, ...]:
    """The edits of a recipe, if it was made with this model.

    Args:
        lm: the loaded model.
        recipe: the recipe.
        override: use it although fingerprint, precision or tokenizer differ, if the shapes are the same.

    Raises:
        OtherModelError: naming every difference; its `fits` says whether an override helps.
        UserError: for heads or neurons that do not exist.
    """
    ours, theirs = ModelName.of(lm), recipe.model
    reasons = [
        f"{what} {a} there, {b} here"
        for what, a, b in (
            ("shape", _shape(theirs), _shape(ours)),
            ("weights", theirs.fingerprint, ours.fingerprint),
            ("precision", theirs.precision, ours.precision),
            ("tokenizer", theirs.tokenizer, ours.tokenizer),
        )
        if a != b
    ]
    fits = theirs.shape == ours.shape
    if reasons and not (override and fits):
        much = "It can be used all the same, but what it does may differ." if fits else "It cannot be used here."
        raise OtherModelError(
            f"This recipe was made with another model, {theirs.name}: {'; '.join(reasons)}. {much}", fits
        )
    check_edits(lm, recipe.edits)
    return recipe.edits


def tokenizer_hash(lm: LoadedModel) -> str:
    """Hash of the tokenizer's vocabulary: every token with its id."""
    if lm not in _hashes:
        vocabulary = sorted(lm.tokenizer.get_vocab().items())
        _hashes[lm] = hashlib.sha256(json.dumps(vocabulary).encode()).hexdigest()[:16]
    return _hashes[lm]


@cache
def app_version() -> str:
    """The version of Abacus, from pyproject.toml beside the code, or of the installed package."""
    project = Path(__file__).resolve().parents[2] / "pyproject.toml"
    if project.is_file():
        return str(tomllib.loads(project.read_text(encoding="utf-8"))["project"]["version"])
    try:
        return metadata.version("abacus")
    except metadata.PackageNotFoundError:
        return "unknown"


def _shape(model: ModelName) -> str:
    return "{} layers x {} heads x {} neurons".format(*model.shape)


def _short(factor: float) -> float | int:
    return int(factor) if float(factor).is_integer() and abs(factor) < 2**53 else float(factor)


def text_field(found: dict[str, Any], name: str, longest: int = 500) -> str:
    """One field that is a text; raises `UserError` when it is not, or too long."""
    value = found[name]
    if not isinstance(value, str) or len(value) > _LONGEST.get(name, longest):
        raise UserError(f"The {name} of a recipe is a text of at most {_LONGEST.get(name, longest):,} characters.")
    if any("\ud800" <= letter <= "\udfff" for letter in value):
        raise UserError(f"The {name} of this recipe holds half a character, which cannot be written. Type it again.")
    return value


def check_places(edits: Sequence[Edit]) -> None:
    """Raises `UserError` when a head or neuron stands among the edits twice."""
    seen = set()
    for edit in edits:
        if place_of(edit) in seen:
            raise UserError(f"The {kind_of(edit)} {name_of(edit)} stands twice among the edits. Keep one of them.")
        seen.add(place_of(edit))
