"""A preset: what one or some tables of a paper were measured with."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from core.paper.models import LLAMA, PaperModel
from core.types import Head

Page = Literal["arithmetic_heads", "logic_chain", "causal_mediation", "lora_comparison", "pruning", "gender_bias"]

#: Settings by question, by name.
Asked = dict[str, dict[str, Any]]

OPERATIONS = ("+", "-", "*", "/")


@dataclass(frozen=True)
class Preset:
    """What one or some tables of a paper were measured with.

    Attributes:
        page: where the app measures it.
        name: the tables.
        settings: by question, by name.
        heads: (layer, head) of the heads that are ablated.
        note: what the paper says or leaves open, for the reader.
        model: which the tables are about.
    """

    page: Page
    name: str
    settings: Mapping[str, Mapping[str, Any]]
    heads: tuple[Head, ...] = ()
    note: str = ""
    model: PaperModel = LLAMA
    tables: tuple[int, ...] = ()
