"""What do the important neurons lose when the lowest of them is off? CNA tables 6 and 16, for one prompt.

The others' coefficients fall by every path from the root, not only by the direct edges of
`core.enhancing`. Neurons in the root's layer or below cannot change and count as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

import pandas as pd
from jaxtyping import Float
from torch import Tensor

from core.cases import coefficient_decrease
from core.hooks import ScaleNeuron, check_neuron, intervene
from core.record import Recording, record

if TYPE_CHECKING:
    from core.model import LoadedModel

Neuron = tuple[int, int]


@dataclass(frozen=True)
class RootOff:
    """Coefficients of the other important neurons with the root at zero (CNA tables 6, 16).

    Attributes:
        root: the neuron that is off.
        others: the neurons that are looked at.
        coefficient_first: their coefficients in the run as given.
        coefficient_second: with the root off.
    """

    root: Neuron
    others: list[Neuron]
    coefficient_first: Float[Tensor, " k"]
    coefficient_second: Float[Tensor, " k"]

    @property
    def decrease(self) -> float:
        """How much of the coefficients is lost, relative to the first run; not a number with no others."""
        return coefficient_decrease(self.coefficient_first, self.coefficient_second)

    def to_frame(self) -> pd.DataFrame:
        """One row a neuron: layer, neuron, coefficient_first, coefficient_second."""
        frame = pd.DataFrame(self.others, columns=["layer", "neuron"])
        frame["coefficient_first"] = self.coefficient_first.numpy()
        frame["coefficient_second"] = self.coefficient_second.numpy()
        return frame


def root_off(lm: "LoadedModel", run: Recording, neurons: Sequence[Neuron], root: Neuron) -> RootOff:
    """Runs the prompt of `run` again with the root at zero; interventions around the call act too.

    Raises:
        UserError: for a neuron that does not exist.
    """
    for layer, neuron in [root, *neurons]:
        check_neuron(lm, layer, neuron)
    others = [neuron for neuron in neurons if neuron != root]
    with intervene(lm, ScaleNeuron(*root, 0.0)):
        off = record(lm, run.ids)
    layers, which = [layer for layer, _ in others], [neuron for _, neuron in others]
    return RootOff(root, others, run.coefficient[layers, -1, which], off.coefficient[layers, -1, which])
