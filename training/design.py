"""Weights of the training penalties, and what a penalty looks at in one step of training."""

from dataclasses import dataclass

from torch import Tensor
from transformers import LlamaForCausalLM

from training.forward import Trace
from training.packing import Batch

END = 1  # </s>, which also fills the rows: nothing is predicted from it


@dataclass(frozen=True)
class Design:
    """Weights of the penalties (`keep_only` and `mask`: see `training.focus`), and the layers that attend to numbers.

    Before layer `early_layers` and after layer `last_look` no token may look at another
    number. `apart`: in which samples the layers between, too, may look at another number
    only where an answer is predicted: "all", "single" (operands of one token), or "none".
    `drop_head`: how often a head of the early layers is dropped from a row.
    """

    early_layers: int = 3
    last_look: int = 5
    apart: str = "single"
    drop_head: float = 0.15
    fetcher: tuple[int, int] | None = None
    keep_only: float = 0.0
    mask: float = 0.0
    one_fetcher: float = 0.0
    retrieving: float = 0.0
    attention: float = 0.5
    attention_mass: float = 0.0
    few_neurons: float = 0.5
    few_shallow: float = 0.3
    few_heads: float = 1.0
    few_heads_everywhere: float = 0.0
    own_heads: float = 0.3
    late_heads: float = 0.5
    idle_deep: float = 0.0
    quiet: float = 0.01
    quiet_before: float = 0.0
    named: float = 0.0
    carried: float = 0.3
    not_carried: float = 0.3


@dataclass(frozen=True)
class Step:
    """The inputs of a penalty."""

    model: LlamaForCausalLM
    trace: Trace
    batch: Batch
    design: Design

    @property
    def real(self) -> Tensor:
        """Tokens that something is predicted from, but the first (row, position)."""
        return (self.batch.positions > 0) & (self.batch.ids != END)

    @property
    def arithmetic(self) -> Tensor:
        """Tokens of arithmetic samples (row, position)."""
        return self.batch.operation >= 0
