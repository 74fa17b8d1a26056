"""Is this file a recipe, and what does it say?

Reading is strict: a field that is not known is refused, since an edit that is only half
understood would be another edit.
"""

import json
import math
from typing import Any, cast

from core.edits.edit_set import MOST_EDITS, EditKind, make_edit, parse_edits, place_of
from core.edits.recipe import FORMAT, FORMAT_VERSION, ModelName, Recipe, check_places, text_field
from core.errors import UserError
from core.hooks import Edit

MOST_BYTES = 2**20


def read_recipe(content: str | bytes) -> Recipe:
    """Reads a recipe file.

    Raises:
        UserError: for a file that is too large, no JSON, no recipe, of a newer format, or malformed; says where.
    """
    size = len(content.encode() if isinstance(content, str) else content)
    if size > MOST_BYTES:
        raise UserError(f"This file has {size / 2**20:.1f} MB; an edit has at most 1 MB. Choose a recipe saved here.")
    try:
        text = content if isinstance(content, str) else content.decode("utf-8-sig")
        found = json.loads(text, object_pairs_hook=_no_repeats)
    except UserError:
        raise
    except RecursionError as error:
        raise UserError("This file is nested too deeply to be a recipe. Choose a recipe saved here.") from error
    except ValueError as error:
        raise UserError(f"This file is no JSON, so it is no recipe ({str(error)[:120]}).") from error
    if not isinstance(found, dict) or found.get("format") != FORMAT:
        raise UserError(f'This file is no recipe: it does not say "format": "{FORMAT}". Choose one saved here.')
    version = found.get("format_version")
    if version != FORMAT_VERSION or isinstance(version, bool):
        raise UserError(
            f"This recipe has format version {str(version)[:20]}; this app reads version {FORMAT_VERSION}. "
            "Save it again with the same version of Abacus."
        )
    return _recipe(found)


def _no_repeats(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found = dict(pairs)
    if len(found) < len(pairs):
        names = [name for name, _ in pairs]
        raise UserError(f"This recipe is malformed: {next(n for n in names if names.count(n) > 1)!r} stands twice.")
    return found


def _fields(found: Any, wanted: set[str], where: str) -> dict[str, Any]:
    if not isinstance(found, dict):
        raise UserError(f"This recipe is malformed: {where} should be an object with {', '.join(sorted(wanted))}.")
    if unknown := sorted(found.keys() - wanted):
        raise UserError(f"This recipe is malformed: {where} has an unknown field {unknown[0][:40]!r}.")
    if missing := sorted(wanted - found.keys()):
        raise UserError(f"This recipe is malformed: {where} lacks {missing[0]!r}.")
    return found


def _recipe(found: dict[str, Any]) -> Recipe:
    top = _fields(found, {"format", "format_version", "app_version", "title", "note", "model", "edits"}, "the file")
    model = _fields(top["model"], {"name", "fingerprint", "revision", "precision", "tokenizer", "shape"}, "its model")
    shape = model["shape"]
    if not (isinstance(shape, list) and len(shape) == 3 and all(type(n) is int and n > 0 for n in shape)):
        raise UserError("This recipe is malformed: shape should be three whole numbers: layers, heads, neurons.")
    named = ModelName(
        text_field(model, "name"),
        text_field(model, "fingerprint"),
        None if model["revision"] is None else text_field(model, "revision"),
        text_field(model, "precision"),
        text_field(model, "tokenizer"),
        (shape[0], shape[1], shape[2]),
    )
    listed = top["edits"]
    if not isinstance(listed, list):
        raise UserError("This recipe is malformed: its edits should be a list.")
    if len(listed) > MOST_EDITS:
        raise UserError(f"This recipe has {len(listed):,} edits; a set holds at most {MOST_EDITS:,}.")
    edits = tuple(_edit(entry, number) for number, entry in enumerate(listed, start=1))
    check_places(edits)
    return Recipe(named, edits, text_field(top, "title"), text_field(top, "note"), text_field(top, "app_version"))


def _edit(entry: Any, number: int) -> Edit:
    where = f"edit {number}"
    kind = cast(EditKind, "head" if isinstance(entry, dict) and "head" in entry else "neuron")
    fields = _fields(entry, {kind, "factor"}, where)
    name, factor = fields[kind], fields["factor"]
    if not isinstance(name, str):
        raise UserError(f'This recipe is malformed: {where} should name its {kind} as text such as "28_3696".')
    if isinstance(factor, bool) or not isinstance(factor, int | float) or not _is_finite(factor):
        raise UserError(f"This recipe is malformed: the factor of {where} is no finite number.")
    parsed = parse_edits(name, kind, float(factor))
    if len(parsed) != 1:
        raise UserError(f"This recipe is malformed: {where} should name one {kind}.")
    return make_edit(*place_of(parsed[0]), float(factor))


def _is_finite(factor: int | float) -> bool:
    try:
        return math.isfinite(float(factor))
    except OverflowError:
        return False
