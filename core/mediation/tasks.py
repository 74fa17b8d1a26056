"""Settings of drawn prompt pairs: kind, numbers, forms, templates, relations; checked before anything is drawn."""

from dataclasses import dataclass
from typing import Literal, get_args

from core.errors import UserError
from core.mediation.operands import NUMBER_RANGES
from core.mediation.words import COMMON_RELATIONS, RELATIONS, RETRIEVAL, TEMPLATE_SETS, THREE, TWO
from core.prompts.arithmetic import FORMS, LAST_TEMPLATE, OPERATIONS, operand_pairs

PairKind = Literal["other operands", "same result", "other operator", "number retrieval", "facts", "three operands"]


PAIR_KINDS: tuple[PairKind, ...] = get_args(PairKind)


TWO_OPERANDS: tuple[PairKind, ...] = ("other operands", "same result", "other operator")


@dataclass(frozen=True)
class Task:
    """What is drawn; see `core.mediation.draw.draw_pairs`, whose arguments these are."""

    kind: str
    operations: tuple[str, ...] = tuple(OPERATIONS)
    digits: tuple[int, ...] = (1,)
    forms: tuple[str, ...] = ("digits",)
    templates: tuple[int, ...] | None = None
    template_set: str = "CNA"
    number_range: str = "by digits"
    relations: tuple[str, ...] = COMMON_RELATIONS
    classes: bool = False

    @property
    def rows(self) -> tuple[int, ...]:
        """The chosen templates; where none were chosen, the last of table 14 or all of CMA."""
        if self.templates is not None:
            return self.templates
        return (LAST_TEMPLATE,) if self.template_set == "CNA" else tuple(range(self.n_templates))

    @property
    def n_templates(self) -> int:
        """How many templates there are to choose from."""
        return len(template_names(self.template_set, self.kind))

    def check(self) -> None:
        """Raises `UserError` for an unknown or empty choice."""
        self._check_names()
        self._check_templates()
        if unknown := [f for f in self.forms if f not in FORMS]:
            raise UserError(f"Form {unknown[0]!r} does not exist: use digits or words.")
        if self.kind in TWO_OPERANDS:
            self._check_operands()
        if self.kind == "facts":
            self._check_relations()
        if self.kind == "number retrieval" and self.classes and self.template_set != "CMA":
            raise UserError("Only CMA's wordings ask for classes of things: choose its templates, or ask for things.")

    def _check_names(self) -> None:
        if self.kind not in PAIR_KINDS:
            raise UserError(f"There are no pairs of the kind {self.kind!r}: use one of {', '.join(PAIR_KINDS)}.")
        if self.template_set not in TEMPLATE_SETS:
            raise UserError(f"There are no templates {self.template_set!r}: use one of {', '.join(TEMPLATE_SETS)}.")
        if self.number_range not in NUMBER_RANGES:
            raise UserError(f"There is no range {self.number_range!r}: use one of {'; '.join(NUMBER_RANGES)}.")

    def _check_templates(self) -> None:
        needs_operands = self.kind in TWO_OPERANDS
        needs_templates = self.kind != "facts" or self.template_set == "CNA"
        if (
            not self.forms
            or (needs_templates and not self.rows)
            or (needs_operands and not (self.operations and self.digits))
        ):
            raise UserError("Choose at least one operation, number of digits, form and template.")
        if needs_templates and (absent := [t for t in self.rows if t not in range(self.n_templates)]):
            there = "table 14 has four, 0 to 3"
            if self.template_set == "CMA":
                there = f"CMA has {self.n_templates} for {self.kind}, 0 to {self.n_templates - 1}"
            raise UserError(f"Template {absent[0]} does not exist: {there}.")

    def _check_operands(self) -> None:
        for operation in self.operations:
            for n in self.digits:
                operand_pairs(operation, n)
        if self.kind == "other operator" and len(set(self.operations)) < 2:
            raise UserError("Another operator needs at least two operations to choose from.")

    def _check_relations(self) -> None:
        if not self.relations:
            raise UserError("Choose at least one relation.")
        if unknown := [name for name in self.relations if name not in RELATIONS]:
            raise UserError(f"There are no facts of the relation {unknown[0]!r}: use one of {', '.join(RELATIONS)}.")


def template_names(template_set: str, kind: str) -> tuple[str, ...]:
    """The templates that a person can choose from, in order, as they read with n1, n2 and n3.

    In the set `CNA` these are always the four of table 14: its own wordings of three operands are signs (row 3) or a
    sentence (the others), and number retrieval has both of its wordings. Facts have relations instead.
    """
    if template_set == "CNA" or kind in TWO_OPERANDS:
        wordings = TWO[template_set]["+"]
    elif kind == "three operands":
        wordings = tuple(three.wordings[0] for three in THREE[template_set])
    else:
        wordings = RETRIEVAL[template_set] if kind == "number retrieval" else ()
    return tuple(shown(wording) for wording in wordings)


_PARTS = {"{a}": "n1", "{b}": "n2", "{c}": "n3", "{x}": "n1", "{y}": "n2", "{things}": "things", "{others}": "others"}


def shown(wording: str) -> str:
    """A wording as a person reads it."""
    for part, name in {**_PARTS, "{asked}": "things", "[": "", "]": ""}.items():
        wording = wording.replace(part, name)
    return wording
