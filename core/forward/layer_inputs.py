"""What goes into a layer, for many rows at once? Computed once, because layers below an adapter never change."""

from collections.abc import Sequence

import psutil
import torch
from jaxtyping import Bool
from torch import Tensor

from core.forward.record import first
from core.forward.rows import TrainingRows
from core.hooks import own_hooks
from core.model.load import LoadedModel, full_memory_told
from core.progress import Progress, silent

BATCH = 256


class LayerInputs:
    """The residual stream of rows of tokens before one layer, moved up layer by layer.

    Kept in memory where a quarter of what is free suffices, else computed when asked for.
    """

    def __init__(self, lm: LoadedModel, rows: TrainingRows):
        self.lm, self.rows, self.layer = lm, rows, 0
        n, length = rows.ids.shape
        element = torch.empty(0, dtype=lm.dtype).element_size()
        self._kept: Tensor | None = None
        self._keeps = n * length * lm.d_model * element < psutil.virtual_memory().available / 4
        self.arguments = layer_arguments(lm, length)

    @torch.no_grad()
    def move_to(self, layer: int, progress: Progress = silent) -> None:
        """Makes this the input of another layer."""
        if not self._keeps or (self._kept is not None and layer == self.layer):
            self.layer = layer
            return
        begin = self.layer if self._kept is not None and layer > self.layer else 0
        parts = []
        numbers = torch.arange(len(self.rows)).split(BATCH)
        for step, some in enumerate(numbers):
            x = self._kept[some].to(self.lm.device) if begin and self._kept is not None else None
            parts.append(self._through(some, x, begin, layer).cpu())
            progress(step + 1, len(numbers))
        self._kept, self.layer = torch.cat(parts), layer

    @torch.no_grad()
    def of(self, some: Tensor) -> Tensor:
        """The input of the layer for some rows [row, pos, d_model], on the model's device."""
        if self._keeps:
            if self._kept is None:
                self.move_to(self.layer)
            assert self._kept is not None
            return self._kept[some].to(self.lm.device)
        return self._through(some, None, 0, self.layer)

    def _through(self, some: Tensor, x: Tensor | None, begin: int, end: int) -> Tensor:
        with self.lm.lock, full_memory_told():
            if x is None:
                x = self.lm.modules.embedding(self.rows.ids[some].to(self.lm.device))
            return through(self.lm, x, self.arguments, begin, end)


def through(lm: LoadedModel, x: Tensor, arguments: Sequence[tuple[tuple, dict]], begin: int, end: int) -> Tensor:
    """Runs layers `begin` to `end - 1`."""
    for layer, (args, kwargs) in zip(lm.modules.layers[begin:end], arguments[begin:end], strict=True):
        x = first(layer(x, *args, **kwargs))
    return x


def layer_arguments(lm: LoadedModel, length: int) -> list[tuple[tuple, dict]]:
    """What each layer is told besides the residual stream (mask, positions): the same for all rows of a length."""
    calls: list[tuple[tuple, dict]] = []

    def note(args: tuple, kwargs: dict) -> None:
        calls.append((args[1:], kwargs))

    with own_hooks(calls=[(layer, note) for layer in lm.modules.layers]), torch.no_grad():
        lm.run(torch.zeros(1, length, dtype=torch.long, device=lm.device))
    return calls


@torch.no_grad()
def right_answers(model: LoadedModel, inputs: LayerInputs) -> Bool[Tensor, " row"]:
    """Whether each row's whole answer is right (greedy exact match, by teacher forcing)."""
    found = []
    for some in torch.arange(len(inputs.rows)).split(BATCH):
        rows = inputs.rows.some(some)
        with model.lock, full_memory_told():
            x = through(model, inputs.of(some), inputs.arguments, inputs.layer, model.n_layers)
            best = model.modules.unembedding(model.modules.final_norm(x)).argmax(-1).cpu()
        found.append(((best == rows.wanted) | ~rows.answer).all(1))
    return torch.cat(found)
