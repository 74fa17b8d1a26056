"""The inputs of one layer for many training rows, computed once: layers below an adapter never change."""

import psutil
import torch
from jaxtyping import Bool, Float, Int
from torch import Tensor

from core.forward.answers import is_complete
from core.forward.replay import Replay, layer_arguments, read_logits, rows_that_fit
from core.forward.rows import TrainingRows
from core.model.load import LoadedModel
from core.progress import Progress, silent
from core.prompts.endings import number_form


class LayerInputs:
    """The residual stream of training rows before one layer, moved up layer by layer.

    Kept in memory where a quarter of what is free suffices, else computed when asked for.
    """

    def __init__(self, lm: LoadedModel, rows: TrainingRows):
        self.lm, self.rows, self.layer = lm, rows, 0
        n, length = rows.ids.shape
        element = torch.empty(0, dtype=lm.dtype).element_size()
        self._kept: Tensor | None = None
        self._keeps = n * length * lm.d_model * element < psutil.virtual_memory().available / 4
        self._arguments = layer_arguments(lm, length)

    @torch.no_grad()
    def move_to(self, layer: int, progress: Progress = silent) -> None:
        """Makes this the input of another layer."""
        if not self._keeps or (self._kept is not None and layer == self.layer):
            self.layer = layer
            return
        if layer < self.layer:
            self._kept = None
        parts = []
        numbers = self.batches()
        for step, some in enumerate(numbers):
            parts.append(self._start(some).run(end=layer).cpu())
            progress(step + 1, len(numbers))
        self._kept, self.layer = torch.cat(parts), layer

    @torch.no_grad()
    def of(self, some: Int[Tensor, " some"]) -> Float[Tensor, "some pos d_model"]:
        """The input of the layer for some rows, on the model's device."""
        if self._keeps and self._kept is None:
            self.move_to(self.layer)
        return self._start(some).run(end=self.layer)

    def through(self, model: LoadedModel, some: Int[Tensor, " some"]) -> Float[Tensor, "some pos d_model"]:
        """The last layer's output for some rows in a model that differs from this layer on, such as an adapted one.

        With gradients where they are enabled.
        """
        return Replay.of_stream(model, self.layer, self.of(some), self._arguments).run()

    def batches(self, n_reads: int = 0) -> tuple[Int[Tensor, " some"], ...]:
        """Numbers of rows that run together, when logits are read at so many positions of each."""
        step = rows_that_fit(self.lm, self.rows.ids.shape[1], n_reads, exact=False)
        return torch.arange(len(self.rows)).split(step)

    def _start(self, some: Tensor) -> Replay:
        """Some rows at the layer whose inputs are kept, or at the embeddings."""
        if self._kept is None:
            return Replay.of_tokens(self.lm, self.rows.ids[some], self._arguments)
        return Replay.of_stream(self.lm, self.layer, self._kept[some].to(self.lm.device), self._arguments)


@torch.no_grad()
def right_answers(model: LoadedModel, inputs: LayerInputs, ends: bool = True) -> Bool[Tensor, " row"]:
    """Whether each row's whole answer is right (greedy exact match, by teacher forcing).

    Args:
        model: this one, or one that differs from the inputs' layer on.
        inputs: rows at some layer.
        ends: whether a number must end with its answer, as of `core.forward.answers.are_right`.
    """
    found = []
    for some in inputs.batches(inputs.rows.ids.shape[1]):
        rows = inputs.rows.some(some)
        best = read_logits(model, inputs.through(model, some)).argmax(-1).cpu()
        right = ((best == rows.wanted) | ~rows.answer).all(1)
        if ends:
            for i in right.nonzero()[:, 0].tolist():
                right[i] = _ends(model, rows.ids[i], rows.answer[i], best[i])
        found.append(right)
    return torch.cat(found)


def _ends(model: LoadedModel, ids: Tensor, answer: Tensor, best: Tensor) -> bool:
    """Whether a row's answer is complete with the most likely token behind it."""
    places = answer.nonzero()[:, 0] + 1
    told = ids[places].tolist()
    return is_complete(model, told, number_form(model.decode(told)), int(best[places[-1]]))
