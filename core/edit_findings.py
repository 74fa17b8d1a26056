"""What was found in a folder that may have been edited? Scaled heads and neurons, and whatever else differs."""

from dataclasses import dataclass, field

import pandas as pd

from core.edit_set import kind_of, name_of
from core.hooks import Edit


@dataclass(frozen=True)
class OtherChange:
    """A tensor that differs in a way that no scaling explains.

    `relative` is the length of the difference over the original's; not a number where there is no such tensor on
    one side.
    """

    tensor: str
    what: str
    relative: float


@dataclass(frozen=True)
class Found:
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
        """One row a head or neuron: kind, name, factor, what (zeroed, turned around, weaker, stronger)."""
        rows = [(kind_of(e), name_of(e), e.factor, _what(e.factor)) for e in self.edits]
        return pd.DataFrame(rows, columns=["kind", "name", "factor", "what"])


def in_words(found: Found) -> str:
    """One sentence on what was found."""
    if not found.is_edited:
        return "No difference was found: the weights are the same, up to rounding."
    heads = sum(kind_of(e) == "head" for e in found.edits)
    parts = [
        _count(heads, "head") if heads else "",
        _count(len(found.edits) - heads, "neuron") if len(found.edits) > heads else "",
    ]
    scaled = " and ".join(part for part in parts if part)
    told = f"{scaled} {'was' if len(found.edits) == 1 else 'were'} zeroed or scaled." if scaled else ""
    if found.others:
        told += f" {_count(len(found.others), 'tensor')} changed otherwise."
    if found.settings:
        told += f" The configuration differs in {', '.join(found.settings[:5])}."
    return told.strip()


def _count(n: int, what: str) -> str:
    return f"{n:,} {what}{'s' if n != 1 else ''}"


def _what(factor: float) -> str:
    if factor == 0:
        return "zeroed"
    if factor < 0:
        return "turned around"
    return "weaker" if factor < 1 else "stronger"
