"""The models of the CNA paper, told by their dimensions, and which of its tables are about which.

Names are not looked at: a folder called "llama-7b" may hold anything. Dimensions do not tell weights either: another
model trained in the same shape counts as the paper's, and then its numbers differ.
"""

from dataclasses import dataclass
from typing import Literal, Protocol, runtime_checkable

from core.paper.tables import table

PaperModel = Literal["Llama-7B", "GPT-J"]

LLAMA: PaperModel = "Llama-7B"
GPT_J: PaperModel = "GPT-J"


@runtime_checkable
class HasDimensions(Protocol):
    """What `core.model.load.LoadedModel` has."""

    n_layers: int
    n_heads: int
    n_neurons: int
    d_model: int
    n_vocab: int
    n_context: int


@dataclass(frozen=True)
class Dimensions:
    """The shape of a model; the vocabulary of GPT-J is 50257 tokens in a matrix of 50400 rows."""

    n_layers: int
    n_heads: int
    n_neurons: int
    d_model: int
    n_vocab: int
    n_context: int


#: The context is what tells Llama-2-7B (4096), which the paper does not look at, from Llama-7B.
DIMENSIONS: dict[PaperModel, Dimensions] = {
    LLAMA: Dimensions(n_layers=32, n_heads=32, n_neurons=11008, d_model=4096, n_vocab=32000, n_context=2048),
    GPT_J: Dimensions(n_layers=28, n_heads=16, n_neurons=16384, d_model=4096, n_vocab=50400, n_context=2048),
}

#: Tables of Llama-7B, and those of the same measurement in GPT-J.
_IN_GPT_J = {1: 18, 5: 19, 6: 20, 8: 21}


def model_of(model: HasDimensions) -> PaperModel | None:
    """Which of the paper's models has these dimensions; None for any other."""
    names = Dimensions.__dataclass_fields__
    mine = Dimensions(**{name: int(getattr(model, name)) for name in names})
    return next((name for name, dimensions in DIMENSIONS.items() if dimensions == mine), None)


def table_for(number: int, model: PaperModel | None) -> int:
    """The table to show beside a model where `number` stands: on GPT-J its own, where the paper has one."""
    return _IN_GPT_J.get(number, number) if model == GPT_J else number


def is_about(number: int, model: PaperModel | None) -> bool:
    """Whether a table is about the given model of the paper."""
    return table(number)["model"] == model
