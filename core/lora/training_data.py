"""What does a model learn from, and how much of it does it know? Data of a training, ready to run.

Training rows, rows set aside to choose the best adapter, and test rows, with what goes
into the layer at hand. Accuracy is greedy exact match of the whole answer (METHODS: teacher
forcing gives the same verdict), without the token that ends it.
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

#: How often each group is drawn in training (*choice*): mostly what is new, enough of the rest that it is not lost.
DRAW_SHARES = {"+": 0.1, "- positive": 0.25, "- negative": 0.5, "*": 0.1, "/": 0.05}


class TrainingData:
    """The data of trainings with the same settings, for one model.

    Args:
        lm: the base model.
        settings: of the trainings.
        scaled: neurons that are off throughout, in training and testing; None: nothing is pruned.
    """

    def __init__(self, lm: LoadedModel, settings: LoraSettings, scaled: NeuronSet | None = None):
        settings.check()
        data = negative_data(settings.n_train, settings.n_test, settings.seed)
        if scaled is not None:
            scaled.check(lm)
        self.lm, self.settings, self.scaled = lm, settings, scaled
        aside = settings.n_aside
        train = data.train[aside:] or data.train
        length = TrainingRows.of(lm, data.train + data.test).ids.shape[1]
        self.groups = [group_of(p) for p in data.test]
        self.train, self.aside, self.test = (
            LayerInputs(lm, TrainingRows.of(lm, some, length)) for some in (train, data.train[:aside], data.test)
        )
        of_train = [group_of(p) for p in train]
        self._weights = torch.tensor([DRAW_SHARES[group] / of_train.count(group) for group in of_train])
        self._base: dict[str, float] | None = None

    def order(self, epoch: int) -> Int[Tensor, " draw"]:
        """Which training rows are seen in an epoch, in order: as many draws as rows, by group as `SHARES` says."""
        draw = torch.Generator().manual_seed(1_000_003 * self.settings.seed + epoch)
        return torch.multinomial(self._weights, len(self._weights), replacement=True, generator=draw)

    @property
    def base(self) -> dict[str, float]:
        """What the model answers right without any adapter, as `tested`; measured once."""
        if self._base is None:
            self._base = self.tested(self.lm)
        return dict(self._base)

    @contextmanager
    def pruned(self, model: LoadedModel) -> Iterator[None]:
        """The lesson's neurons are off in a model while the block runs."""
        with scaled_neurons(model, self.scaled or NeuronSet(())):
            yield

    def move_to(self, layer: int, progress: Progress = silent) -> None:
        """Prepares for an adapter at a layer."""
        with self.pruned(self.lm):
            self.train.move_to(layer, progress)
            for inputs in (self.aside, self.test):
                inputs.move_to(layer)

    def accuracy(self, model: LoadedModel, inputs: LayerInputs) -> float:
        """Share of right answers of the base model or an adapted one, a share of 1."""
        return float(self.right(model, inputs).float().mean())

    def tested(self, model: LoadedModel) -> dict[str, float]:
        """Share of right test answers, by group; "all" among them."""
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
