"""The data of a LoRA training: training, validation and test prompts, with the inputs of the layer that is trained.

Accuracy is greedy exact match of the whole answer, which no digit may follow; the token that ends the text is not asked
for. Teacher forcing gives the same verdict.
"""

from collections.abc import Iterator
from contextlib import contextmanager

import torch
from jaxtyping import Bool, Int
from torch import Tensor

from core.forward.layer_inputs import LayerInputs, right_answers
from core.forward.neuron_sets import NeuronSet, scaled_neurons
from core.forward.rows import TrainingRows
from core.lora.settings import LoraSettings
from core.model.load import LoadedModel
from core.progress import Progress, silent
from core.prompts.signed_arithmetic import GROUPS, group_of, negative_data

#: How often each group is drawn in training (*choice*): mostly what is new, with enough of the rest to keep it known.
DRAW_SHARES = {"+": 0.1, "- positive": 0.25, "- negative": 0.5, "*": 0.1, "/": 0.05}


class TrainingData:
    """The data of trainings with the same settings, for one model.

    Args:
        lm: the base model.
        settings: of the trainings.
        scaled: neurons that are ablated in training and testing; None: nothing is pruned.
    """

    def __init__(self, lm: LoadedModel, settings: LoraSettings, scaled: NeuronSet | None = None):
        settings.check()
        data = negative_data(settings.n_train, settings.n_test, settings.seed)
        if scaled is not None:
            scaled.check(lm)
        self.lm, self.settings, self.scaled = lm, settings, scaled
        n_validation = settings.n_validation
        train = data.train[n_validation:] or data.train
        length = TrainingRows.of(lm, data.train + data.test).ids.shape[1]
        self.groups = [group_of(p) for p in data.test]
        self.train, self.validation, self.test = (
            LayerInputs(lm, TrainingRows.of(lm, some, length)) for some in (train, data.train[:n_validation], data.test)
        )
        of_train = [group_of(p) for p in train]
        self._weights = torch.tensor([DRAW_SHARES[group] / of_train.count(group) for group in of_train])
        self._base: dict[str, float] | None = None

    def order(self, epoch: int) -> Int[Tensor, " draw"]:
        """The training rows of an epoch, in order: as many draws as rows, weighted by group as `DRAW_SHARES` says."""
        draw = torch.Generator().manual_seed(1_000_003 * self.settings.seed + epoch)
        return torch.multinomial(self._weights, len(self._weights), replacement=True, generator=draw)

    @property
    def base(self) -> dict[str, float]:
        """Accuracy of the model without an adapter, by group (see `tested`); measured once."""
        if self._base is None:
            self._base = self.tested(self.lm)
        return dict(self._base)

    @contextmanager
    def pruned(self, model: LoadedModel) -> Iterator[None]:
        """Ablates the pruned neurons in a model while the block runs."""
        with scaled_neurons(model, self.scaled or NeuronSet(())):
            yield

    def move_to(self, layer: int, progress: Progress = silent) -> None:
        """Computes the inputs of a layer that gets an adapter."""
        with self.pruned(self.lm):
            self.train.move_to(layer, progress)
            for inputs in (self.validation, self.test):
                inputs.move_to(layer)

    def accuracy(self, model: LoadedModel, inputs: LayerInputs) -> float:
        """Share of right answers of the base model or an adapted one."""
        return float(self.right(model, inputs).float().mean())

    def tested(self, model: LoadedModel) -> dict[str, float]:
        """Share of right test answers, by group, and over all of them under "all"."""
        right = self.right(model, self.test)
        found = {"all": float(right.float().mean())}
        for name in GROUPS:
            inside = torch.tensor([group == name for group in self.groups])
            if bool(inside.any()):
                found[name] = float(right[inside].float().mean())
        return found

    def right(self, model: LoadedModel, inputs: LayerInputs) -> Bool[Tensor, " row"]:
        """Whether each row's whole answer is right."""
        with self.pruned(model):
            return right_answers(model, inputs)
