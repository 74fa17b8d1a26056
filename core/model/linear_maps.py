"""Linear maps of a layer as the analyses read them: which rows are keys, what reaches the residual stream.

Most are `nn.Linear`; GPT-2's (Conv1D) hold their matrix the other way round.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from jaxtyping import Float, Shaped
from torch import Tensor, nn
from transformers.pytorch_utils import Conv1D

#: A linear map of a layer.
LinearMap = nn.Linear | Conv1D


@dataclass(frozen=True)
class KeyMap:
    """The rows of a linear map that are the gate, up or only keys of a layer's neurons."""

    module: LinearMap
    first: int

    def of(self, neurons: Sequence[int]) -> list[int]:
        """The rows of some neurons."""
        return [self.first + neuron for neuron in neurons]


@dataclass(frozen=True)
class Writer:
    """A linear map into the residual stream, with the gain of the norm after it, where there is one.

    With a norm after it, what the map adds to the stream is `gain * (matrix @ input)` times that norm's scale in the
    run, so parts of the input have parts of the output.
    """

    module: LinearMap
    gain: Float[Tensor, " d_model"] | None


def out_in(module: nn.Module, matrix: Tensor) -> Shaped[Tensor, "out in"]:
    """A linear map's matrix as [out, in], a view."""
    return matrix.T if isinstance(module, Conv1D) else matrix


def n_inputs(module: LinearMap) -> int:
    """How many entries a linear map's input has."""
    return int(module.nx if isinstance(module, Conv1D) else module.in_features)
