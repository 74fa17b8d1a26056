"""Detection of edits: which heads or neurons of a model folder are zeroed or scaled, given the original.

    python -m core detect ORIGINAL FOLDER

The CNA paper edits neurons by hand (§6.2) and leaves open how an edit can be detected. A scaled head or neuron has
its columns of the output map in one ratio to the original's: `W' = f W`. The ratio is the least-squares estimate;
the residual of the columns must be within the rounding of the coarser of the two precisions. Everything else that
differs is listed too.

Only edits of whole heads and neurons in the output maps are identified. The same effect written into other weights
(a neuron's keys, for example) is reported as "otherwise changed".
"""

from dataclasses import dataclass, field
from pathlib import Path

import pandas as pd
import torch
from einops import rearrange
from torch import Tensor

from core.edits.edit_set import EditKind, kind_of, make_edit, name_of
from core.errors import UserError
from core.hooks import Edit
from core.model.architectures import Architecture, architecture_of
from core.model.load import LoadedModel
from core.model.source import Source, locate
from core.model.stored_tensors import StoredTensors
from core.progress import Progress, silent


@dataclass(frozen=True)
class OtherChange:
    """A tensor that differs in a way that is not a scaling of heads or neurons.

    `relative` is the norm of the difference over that of the original; NaN where one side has no such tensor.
    """

    tensor: str
    what: str
    relative: float


@dataclass(frozen=True)
class EditFindings:
    """What differs between an original and a folder.

    Attributes:
        edits: heads and neurons that were scaled, with their factors (0: zeroed).
        others: tensors that differ otherwise.
        settings: fields of the configuration that differ.
    """

    edits: tuple[Edit, ...]
    others: tuple[OtherChange, ...] = ()
    settings: tuple[str, ...] = field(default=())

    @property
    def is_edited(self) -> bool:
        """Whether anything differs."""
        return bool(self.edits or self.others or self.settings)

    def to_frame(self) -> pd.DataFrame:
        """One row per head or neuron: kind, name, factor, what (zeroed, sign flipped, weaker, stronger)."""
        rows = [(kind_of(e), name_of(e), e.factor, _what(e.factor)) for e in self.edits]
        return pd.DataFrame(rows, columns=["kind", "name", "factor", "what"])


def in_words(found: EditFindings) -> str:
    """The findings in one or a few sentences."""
    if not found.is_edited:
        return "No difference was found: the weights are the same, up to rounding."
    heads = sum(kind_of(e) == "head" for e in found.edits)
    parts = [
        _count(heads, "head") if heads else "",
        _count(len(found.edits) - heads, "neuron") if len(found.edits) > heads else "",
    ]
    scaled = " and ".join(part for part in parts if part)
    text = f"{scaled} {'was' if len(found.edits) == 1 else 'were'} zeroed or scaled." if scaled else ""
    if found.others:
        text += f" {_count(len(found.others), 'tensor')} changed otherwise."
    if found.settings:
        text += f" The configuration differs in {', '.join(found.settings[:5])}."
    return text.strip()


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' if n != 1 else ''}"


def _what(factor: float) -> str:
    if factor == 0:
        return "zeroed"
    if factor < 0:
        return "sign flipped"
    return "weaker" if factor < 1 else "stronger"


_ROUNDING = {torch.float32: 2.0**-20, torch.float16: 2.0**-10, torch.bfloat16: 2.0**-7, torch.float64: 2.0**-20}


_SMALLEST = 2.0**-25


_UNIMPORTANT = {"dtype", "torch_dtype", "_name_or_path", "transformers_version", "architectures", "use_cache"}


def was_edited(original: LoadedModel | str | Path, folder: str | Path, progress: Progress = silent) -> EditFindings:
    """Compares a folder with its original, one tensor at a time; neither is loaded as a model.

    Args:
        original: a bundled model's name, a folder or a hub id; or a loaded model, whose own files are read.
        folder: the one that may have been edited.
        progress: called after every tensor; a `Stopped` is passed on to the caller.

    Raises:
        UserError: for a place that is not a model, or one of another architecture or shape.
    """
    first = _origin(original)
    second = locate(str(folder)).fetched()
    if first.model_type != second.model_type:
        raise UserError(
            f"These are models of different types, {first.model_type} and {second.model_type}: "
            "an edit can only be found between a model and its copy."
        )
    row = architecture_of(first.model_type)
    with StoredTensors(first, row) as ours, StoredTensors(second, row) as theirs:
        return _compare(row, first, ours, theirs, _settings(first, second), progress)


def _compare(
    row: Architecture,
    source: Source,
    ours: StoredTensors,
    theirs: StoredTensors,
    settings: tuple[str, ...],
    progress: Progress,
) -> EditFindings:
    maps = _output_maps(row, source)
    tied = {f"{row.unembedding}.weight"} if source.config.get("tie_word_embeddings") else set()
    names = sorted((ours.names | theirs.names) - tied)
    edits: list[Edit] = []
    others: list[OtherChange] = []
    for number, name in enumerate(names):
        if name not in ours.names or name not in theirs.names:
            others.append(OtherChange(name, "added" if name in theirs.names else "missing", float("nan")))
        else:
            a, b = ours.tensor(name), theirs.tensor(name)
            if a.shape != b.shape:
                raise UserError(
                    f"{name} has shape {tuple(a.shape)} in one and {tuple(b.shape)} in the other: "
                    "an edit can only be found between a model and its copy."
                )
            rounding = max(_ROUNDING.get(a.dtype, 0.0), _ROUNDING.get(b.dtype, 0.0))
            if name in maps:
                x, y = (w.float().T if row.transposed else w.float() for w in (a, b))
                edits += _scaled_units(name, x, y, rounding, maps[name], others)
            elif (change := _relative(a.float(), b.float())) > rounding:
                others.append(OtherChange(name, "changed", change))
        progress(number + 1, len(names))
    order = sorted(edits, key=lambda e: (kind_of(e), e.layer, int(name_of(e).split("_")[1])))
    return EditFindings(tuple(order), tuple(others), settings)


@dataclass(frozen=True)
class _Map:
    """An output map: the kind and layer of its units, and the columns per unit."""

    kind: EditKind
    layer: int
    width: int


def _scaled_units(
    name: str, a: Tensor, b: Tensor, rounding: float, where: _Map, others: list[OtherChange]
) -> list[Edit]:
    """The heads or neurons whose columns of b are a multiple of a's; other changes are added to `others`."""
    if torch.equal(a, b):
        return []
    x, y = (rearrange(w, "d_model (unit column) -> unit (column d_model)", column=where.width).double() for w in (a, b))
    size = x.square().sum(-1)
    factor = torch.where(size > 0, (x * y).sum(-1) / size.clamp(min=1e-300), 1.0)
    residual = (y - factor[:, None] * x).norm(dim=-1)
    smallest = _SMALLEST * x.shape[1] ** 0.5  # the smallest steps of 16-bit numbers
    explained = residual <= rounding * size.sqrt() * factor.abs() + smallest
    moved = (factor - 1).abs() > rounding
    if unexplained := int((~explained).sum()):
        kind = f"{where.kind}{'s' if unexplained > 1 else ''}"
        others.append(OtherChange(name, f"{unexplained:,} {kind} changed, not by a factor", _relative(a, b)))
    return [
        make_edit(where.kind, where.layer, unit, _rounded(float(factor[unit]), rounding))
        for unit in (explained & moved).nonzero()[:, 0].tolist()
    ]


def _rounded(factor: float, rounding: float) -> float:
    """A factor, rounded to what the precision can resolve."""
    return 0.0 if abs(factor) <= rounding * 1e-3 else float(f"{factor:.{5 if rounding < 1e-4 else 3}g}")


def _relative(a: Tensor, b: Tensor) -> float:
    size, difference = float(a.double().norm()), float((b.double() - a.double()).norm())
    return difference / size if size else (float("inf") if difference else 0.0)


def _output_maps(row: Architecture, source: Source) -> dict[str, _Map]:
    shapes = {StoredTensors.plain(name, row): shape for name, shape in source.shapes}
    heads = int(source.config.get("num_attention_heads") or source.config["n_head"])
    found: dict[str, _Map] = {}
    layer = 0
    while (name := f"{row.layers}.{layer}.{row.neuron_output}.weight") in shapes:
        found[name] = _Map("neuron", layer, 1)
        output = f"{row.layers}.{layer}.{row.head_output}.weight"
        found[output] = _Map("head", layer, shapes[output][0 if row.transposed else 1] // heads)
        layer += 1
    return found


def _settings(first: Source, second: Source) -> tuple[str, ...]:
    a, b = first.config, second.config
    names = sorted((a.keys() | b.keys()) - _UNIMPORTANT)
    return tuple(n for n in names if a.get(n) != b.get(n) and n in a and n in b)


def _origin(original: LoadedModel | str | Path) -> Source:
    if isinstance(original, str | Path):
        return locate(str(original)).fetched()
    found = locate(original.name).fetched()
    if found.fingerprint() != original.fingerprint:
        raise UserError(f"The files of {original.name} have changed since it was loaded. Load it again.")
    return found
