"""Recipes: edits written down in a small readable JSON file, so that someone else can repeat them.

A recipe names the model by fingerprint, precision, tokenizer and shape, and lists heads and neurons with their
factors. `core.edits.recipe_link` puts one into a link. Reading is strict: a field that is not known is refused, since
an edit that is only half understood would be a different edit.
"""

import hashlib
import json
import tomllib
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from typing import Annotated, Any, Literal
from weakref import WeakKeyDictionary

from pydantic import Discriminator, FailFast, Field, Tag

from core.edits.edit_set import MOST_EDITS, EditKind, check_edits, kind_of, make_edit, name_of, parse_edits, place_of
from core.errors import UserError
from core.hooks import Edit
from core.model.load import LoadedModel
from core.reading import BRANCH, checked, read_as, read_json, strict

FORMAT: Literal["abacus edit"] = "abacus edit"


FORMAT_VERSION: Literal[1] = 1


MOST_BYTES = 2**20


_WHAT, _REMEDY = "This recipe", "Choose one that Abacus saved."


_hashes: "WeakKeyDictionary[LoadedModel, str]" = WeakKeyDictionary()  # a large vocabulary takes a moment


ShortText = Annotated[str, Field(max_length=500)]


Count = Annotated[int, Field(ge=1)]


class OtherModelError(UserError):
    """A recipe of another model.

    `fits` says whether the numbers of layers, heads and neurons are the same, so that it can be used anyway.
    """

    def __init__(self, message: str, fits: bool):
        super().__init__(message)
        self.fits = fits


@strict
@dataclass(frozen=True)
class ModelName:
    """The model of a recipe.

    `tokenizer` is a hash of the vocabulary; `shape` is the numbers of layers, heads and neurons per layer.
    """

    name: ShortText
    fingerprint: ShortText
    revision: ShortText | None
    precision: ShortText
    tokenizer: ShortText
    shape: tuple[Count, Count, Count]

    @classmethod
    def of(cls, lm: LoadedModel) -> "ModelName":
        """Names a loaded model."""
        shape = (lm.n_layers, lm.n_heads, lm.n_neurons)
        return cls(lm.name, lm.fingerprint, lm.revision, lm.precision, tokenizer_hash(lm), shape)


@strict
@dataclass(frozen=True)
class _HeadEntry:
    """One edit of a head in the file."""

    head: ShortText
    factor: float


@strict
@dataclass(frozen=True)
class _NeuronEntry:
    """One edit of a neuron in the file."""

    neuron: ShortText
    factor: float


def _branch(entry: Any) -> str:
    return BRANCH + ("head" if isinstance(entry, dict) and "head" in entry else "neuron")


_Entry = Annotated[
    Annotated[_HeadEntry, Tag(f"{BRANCH}head")] | Annotated[_NeuronEntry, Tag(f"{BRANCH}neuron")],
    Discriminator(_branch),
]


@strict
@dataclass(frozen=True)
class _File:
    """The fields of the file, in its order; no edits yet where only the rest is written."""

    format: Literal["abacus edit"]
    format_version: Literal[1]
    app_version: ShortText
    title: Annotated[str, Field(max_length=200)]
    note: Annotated[str, Field(max_length=10_000)]
    model: ModelName
    edits: Annotated[tuple[_Entry, ...], Field(max_length=MOST_EDITS), FailFast()]


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
        _check_places(edits)
        recipe = cls(ModelName.of(lm), tuple(edits), title.strip(), note.strip(), app_version())
        checked(recipe._head(), _WHAT, "Change the text and save again.")
        return recipe

    def _head(self) -> _File:
        """The file without its edits."""
        return _File(FORMAT, FORMAT_VERSION, self.app_version, self.title, self.note, self.model, ())

    def to_json(self) -> str:
        """The file's text, one line per edit."""
        lines = [json.dumps({kind_of(e): name_of(e), "factor": _short(e.factor)}) for e in self.edits]
        begin = json.dumps(asdict(self._head()), indent=1, ensure_ascii=False).removesuffix("[]\n}")
        return f"{begin}[" + ",".join(f"\n  {line}" for line in lines) + "\n ]\n}\n"


def read_recipe(content: str | bytes) -> Recipe:
    """Reads a recipe file.

    Raises:
        UserError: for a file that is too large, not JSON, not a recipe, of a newer format, or malformed; says where.
    """
    found = read_json(content, "This file", "Choose a recipe that Abacus saved.", MOST_BYTES)
    if found.get("format") != FORMAT:
        raise UserError(f'This file is not a recipe: it does not say "format": "{FORMAT}". {_REMEDY}')
    version = found.get("format_version")
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise UserError(
            f"This recipe has format version {str(version)[:20]}; this app reads version {FORMAT_VERSION}. "
            "Save it again with the same version of Abacus."
        )
    file = read_as(_File, found, _WHAT, _REMEDY)
    edits = tuple(_edit(entry, number) for number, entry in enumerate(file.edits, start=1))
    _check_places(edits)
    return Recipe(file.model, edits, file.title, file.note, file.app_version)


def _edit(entry: _HeadEntry | _NeuronEntry, number: int) -> Edit:
    kind: EditKind = "head" if isinstance(entry, _HeadEntry) else "neuron"
    name = entry.head if isinstance(entry, _HeadEntry) else entry.neuron
    named = parse_edits(name, kind, entry.factor)
    if len(named) != 1:
        raise UserError(f"{_WHAT} cannot be used: entry {number} of 'edits' should name one {kind}. {_REMEDY}")
    return make_edit(*place_of(named[0]), entry.factor)


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
        much = "It can be used anyway, but its effect may differ." if fits else "It cannot be used here."
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
    """The version of Abacus, from pyproject.toml beside the code or from the installed package."""
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


def _check_places(edits: Sequence[Edit]) -> None:
    """Raises `UserError` when a head or neuron is among the edits twice."""
    seen = set()
    for edit in edits:
        if place_of(edit) in seen:
            raise UserError(f"The {kind_of(edit)} {name_of(edit)} is among the edits twice. Keep one of them.")
        seen.add(place_of(edit))
