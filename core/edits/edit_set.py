"""Sets of edits, each switched on or off, with undo.

An `EditSet` is a tuple of edits with one switch each; every change makes a new set, so a `History` can go back and
forth between them. A head or neuron is in a set at most once.
"""

import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from core.errors import UserError
from core.hooks import Edit, ScaleHead, ScaleNeuron, check_head, check_neuron
from core.model.load import LoadedModel

EditKind = Literal["head", "neuron"]


MOST_EDITS = 20_000


def kind_of(edit: Edit) -> EditKind:
    """Whether an edit is of a head or a neuron."""
    return "head" if isinstance(edit, ScaleHead) else "neuron"


def place_of(edit: Edit) -> tuple[EditKind, int, int]:
    """What an edit acts on: kind, layer, index."""
    return kind_of(edit), edit.layer, edit.head if isinstance(edit, ScaleHead) else edit.neuron


def name_of(edit: Edit) -> str:
    """An edit's head or neuron as the papers write it: 28_3696."""
    _, layer, index = place_of(edit)
    return f"{layer}_{index}"


def make_edit(kind: EditKind, layer: int, index: int, factor: float = 0.0) -> Edit:
    """An edit of a head or neuron."""
    return ScaleHead(layer, index, factor) if kind == "head" else ScaleNeuron(layer, index, factor)


def parse_edits(text: str, kind: EditKind, factor: float = 0.0) -> list[Edit]:
    """Reads names such as "28_3696, 17_22" as edits with one factor.

    Raises:
        UserError: for text that is not such a name, or no text.
    """
    words = [word for word in re.split(r"[\s,;]+", text) if word]
    if not words:
        raise UserError("There is nothing to add. Write a layer and an index such as 28_3696")
    if len(words) > MOST_EDITS:
        raise UserError(f"That is {len(words):,} edits; a set holds at most {MOST_EDITS:,}.")
    edits = []
    for word in words:
        found = re.fullmatch(r"(\d{1,6})_(\d{1,7})", word)
        if found is None:
            raise UserError(f"{word[:40]!r} is not a {kind}. Write its layer and index, both from 0, such as 28_3696")
        edits.append(make_edit(kind, int(found[1]), int(found[2]), factor))
    return edits


def check_edits(lm: LoadedModel, edits: Iterable[Edit]) -> None:
    """Raises `UserError` for heads or neurons that the model does not have, or factors that are not finite."""
    for edit in edits:
        if not abs(edit.factor) < float("inf"):
            raise UserError(f"The factor {edit.factor} is not finite. Use for example 0 (off), 1 (as is) or 2.")
        kind, layer, index = place_of(edit)
        (check_head if kind == "head" else check_neuron)(lm, layer, index)


@dataclass(frozen=True)
class Switch:
    """One edit, and whether it is on."""

    edit: Edit
    on: bool = True


@dataclass(frozen=True)
class EditSet:
    """Edits in order, each switched on or off."""

    switches: tuple[Switch, ...] = ()

    def __len__(self) -> int:
        return len(self.switches)

    @property
    def active(self) -> tuple[Edit, ...]:
        """The edits that are on."""
        return tuple(s.edit for s in self.switches if s.on)

    def added(self, edits: Sequence[Edit]) -> "EditSet":
        """With more edits, on; a head or neuron that is there already gets the new factor.

        Raises:
            UserError: for more edits than a set holds.
        """
        by_place = {place_of(s.edit): s for s in self.switches}
        by_place |= {place_of(edit): Switch(edit) for edit in edits}
        if len(by_place) > MOST_EDITS:
            raise UserError(f"That would be {len(by_place):,} edits; a set holds at most {MOST_EDITS:,}.")
        return EditSet(tuple(by_place.values()))

    def with_factor(self, number: int, factor: float) -> "EditSet":
        """With another factor for one edit."""
        return self._with(
            number, replace(self.switches[number], edit=replace(self.switches[number].edit, factor=factor))
        )

    def switched(self, number: int, on: bool) -> "EditSet":
        """With one edit on or off."""
        return self._with(number, replace(self.switches[number], on=on))

    def without(self, number: int) -> "EditSet":
        """With one edit fewer."""
        return EditSet(self.switches[:number] + self.switches[number + 1 :])

    def all_with(self, factor: float | None = None, on: bool | None = None) -> "EditSet":
        """With the same factor or switch for every edit."""
        return EditSet(
            tuple(
                Switch(s.edit if factor is None else replace(s.edit, factor=factor), s.on if on is None else on)
                for s in self.switches
            )
        )

    def _with(self, number: int, switch: Switch) -> "EditSet":
        return EditSet((*self.switches[:number], switch, *self.switches[number + 1 :]))


@dataclass(frozen=True)
class History:
    """Successive sets, and which one is shown, for undo and redo."""

    states: tuple[EditSet, ...] = (EditSet(),)
    at: int = 0

    _KEEP = 100

    @property
    def now(self) -> EditSet:
        """The set that is shown."""
        return self.states[self.at]

    def then(self, state: EditSet) -> "History":
        """With a new set; sets that were undone are forgotten. The same set changes nothing."""
        if state == self.now:
            return self
        states = (*self.states[: self.at + 1], state)[-self._KEEP :]
        return History(states, len(states) - 1)

    def undo(self) -> "History":
        """One set back, if there is one."""
        return History(self.states, max(0, self.at - 1))

    def redo(self) -> "History":
        """One set forth, if there is one."""
        return History(self.states, min(len(self.states) - 1, self.at + 1))
