"""LoRA training of a pruned model: on the neurons that CNA kept, and on as many random ones (table 11)."""

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pandas as pd

from core.forward.neuron_sets import random_like
from core.lora.prune import kept_set
from core.lora.settings import About, LoraSettings, read_about
from core.lora.train import train_adapter
from core.lora.training_data import TrainingData
from core.model.adapters import AdaptedModel, attach
from core.model.load import LoadedModel
from core.progress import Progress, part, silent
from core.types import Neuron


@dataclass(frozen=True)
class Pruned:
    """A pruned model with an adapter that was trained on it.

    Attributes:
        kept: the deep neurons that stay.
        from_layer: the first deep layer.
        model: the model with the adapter; run it under `kept_set` of these neurons.
        about: what was measured; `about.base` is the pruned model without the adapter.
    """

    kept: tuple[Neuron, ...]
    from_layer: int
    model: AdaptedModel
    about: About


def train_pruned(
    lm: LoadedModel,
    kept: Sequence[Neuron],
    from_layer: int,
    layer: int,
    settings: LoraSettings,
    folder: str | Path,
    what: str = "CNA",
    progress: Progress = silent,
) -> Pruned:
    """Trains an adapter while all deep neurons but the kept ones are ablated.

    Args:
        lm: the base model.
        kept: the deep neurons that stay.
        from_layer: the first deep layer.
        layer: the attention layer that gets the adapter.
        settings: of the training.
        folder: where the adapter goes; a stopped training resumes, a finished one is read.
        what: a name for the choice of neurons.
        progress: called after every step; `Stopped` ends the training with the best so far.

    Raises:
        UserError: for neurons, layers or settings that do not exist.
    """
    scaled = kept_set(lm, kept, from_layer)
    description = f"{what}: {len(kept)} neurons of layers {from_layer} to {lm.n_layers - 1}, {_digest(kept)}"
    about = read_about(folder)
    if (
        about
        and about.finished
        and (about.fingerprint, about.layer, about.settings, about.kept)
        == (lm.fingerprint, layer, settings, description)
    ):
        return Pruned(tuple(kept), from_layer, attach(lm, folder), about)
    model, about = train_adapter(TrainingData(lm, settings, scaled), layer, folder, progress, description)
    return Pruned(tuple(kept), from_layer, model, about)


def pruned_folder(folder: str | Path, kept: Sequence[Neuron], from_layer: int, layer: int) -> Path:
    """Where the adapter of one choice of neurons goes in a series' folder."""
    return Path(folder) / "pruned" / f"layer_{layer}-from_{from_layer}-{_digest(kept)}"


def _digest(kept: Sequence[Neuron]) -> str:
    return hashlib.sha256(str(sorted(kept)).encode()).hexdigest()[:12]


def random_control(lm: LoadedModel, kept: Sequence[Neuron], seed: int) -> list[Neuron]:
    """As many random neurons in each layer as are kept there."""
    return list(random_like(lm, kept, seed).neurons)


@dataclass(frozen=True)
class PrunedPair:
    """Adapters trained on the kept neurons and on as many random ones; the second only after the first is finished."""

    kept: Pruned
    random: Pruned | None


def train_pair(
    lm: LoadedModel,
    kept: Sequence[Neuron],
    from_layer: int,
    layer: int,
    settings: LoraSettings,
    folders: Sequence[str | Path],
    progress: Progress = silent,
) -> PrunedPair:
    """Trains an adapter on the kept neurons, and one on as many random neurons of the same layers.

    Args:
        lm: the base model.
        kept: the deep neurons that stay.
        from_layer: the first deep layer.
        layer: the attention layer that gets the adapter.
        settings: of both trainings; its seed draws the random neurons.
        folders: of series, in which finished trainings are looked for; new ones go into the last.
        progress: told after every step; `Stopped` ends the training with the best so far.

    Raises:
        UserError: for neurons, layers or settings that do not exist.
    """

    def train(what: str, neurons: Sequence[Neuron], told: Progress) -> Pruned:
        places = [pruned_folder(folder, neurons, from_layer, layer) for folder in folders]
        place = next((place for place in places if place.is_dir()), places[-1])
        return train_pruned(lm, neurons, from_layer, layer, settings, place, what, told)

    first = train("CNA", kept, part(progress, 0, 2))
    if not first.about.finished:
        return PrunedPair(first, None)
    return PrunedPair(first, train("random", random_control(lm, kept, settings.seed), part(progress, 1, 2)))


def four_columns(adapter: About, pruned: About, random: About | None) -> pd.DataFrame:
    """Table 11 for one model: column, accuracy (0 to 1), in the paper's order and names."""
    n = adapter.layer
    rows = [
        ("origin", adapter.base["all"]),
        (f"LoRA{n}", adapter.accuracy["all"]),
        (f"LoRA{n}-p", pruned.accuracy["all"]),
    ]
    if random is not None:
        rows.append((f"LoRA{n}-r", random.accuracy["all"]))
    return pd.DataFrame(rows, columns=["column", "accuracy"])
