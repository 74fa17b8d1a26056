"""Coefficients of the base model's most important neurons, without and with each adapter.

CNA §5, tables 9 and 10. The neurons are the base run's most important ones (*choice*), so
they are not chosen by what an adapter does to them, and the increase is not an effect of
the choice. All coefficients are those at the last position.
"""

from collections.abc import Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from core.errors import UserError
from core.forward.record import ActivationCache, record
from core.metrics import coefficient_decrease
from core.model.load import LoadedModel
from core.neurons.compare import check_comparable, most_important
from core.progress import Progress, Stopped, silent
from core.types import Neuron, PromptLike

COEFFICIENT_KS = (50, 30, 20, 10)


@dataclass(frozen=True)
class Coefficients:
    """The base run's most important neurons, and their coefficients in every model.

    Attributes:
        prompt: the text.
        target: the base model's prediction.
        neurons: (layer, neuron), the most important first.
        importance: in the base run (nats).
        models: names of the other models.
        base: coefficients in the base run.
        others: coefficients in the other models' runs.
    """

    prompt: str
    target: int
    neurons: list[Neuron]
    importance: Float[Tensor, " neuron"]
    models: list[str]
    base: Float[Tensor, " neuron"]
    others: Float[Tensor, "model neuron"]

    def to_frame(self) -> pd.DataFrame:
        """One row per neuron: layer, neuron, importance (nats), base, and one column per model (coefficients)."""
        layers, indices = zip(*self.neurons, strict=True)
        frame = pd.DataFrame(
            {"layer": layers, "neuron": indices, "importance": self.importance.numpy(), "base": self.base.numpy()}
        )
        return frame.assign(**{name: row.numpy() for name, row in zip(self.models, self.others, strict=True)})


def coefficients_with(
    lm: LoadedModel, others: Mapping[str, LoadedModel], prompt: PromptLike, k: int = 10
) -> Coefficients:
    """Runs a prompt in the base model and in each other one.

    Args:
        lm: the base model.
        others: models by name, such as adapted ones.
        prompt: text or token ids, read as of `LoadedModel.prompt_ids` in the base model.
        k: how many of the base run's most important neurons.

    Raises:
        UserError: for a prompt or k that the model cannot take, or models that cannot be compared.
    """
    for other in others.values():
        check_comparable(lm, other)
    ids = lm.prompt_ids(prompt)
    run = record(lm, ids)
    top = most_important(lm, run, k)
    rows = [_coefficients(record(other, ids), top.pairs) for other in others.values()]
    return Coefficients(
        lm.prompt_text(prompt),
        top.target,
        top.pairs,
        top.importance_first,
        list(others),
        _coefficients(run, top.pairs),
        torch.stack(rows) if rows else torch.empty(0, k),
    )


def _coefficients(run: ActivationCache, neurons: Sequence[Neuron]) -> Tensor:
    layers, indices = (torch.tensor(x) for x in zip(*neurons, strict=True))
    return run.coefficient[layers, -1, indices]


@dataclass(frozen=True)
class CoefficientIncrease:
    """Relative increase of the base's top neurons' coefficients with each adapter (1 is +100%), mean over prompts.

    `points`: one row per adapter and k: layer (of the adapter), k, increase, prompts.
    """

    points: pd.DataFrame

    def by_band(self, bands: Sequence[range]) -> pd.DataFrame:
        """Mean over the adapters of each band of layers (table 10): band, k, increase, adapters."""
        rows = []
        for band in bands:
            inside = self.points[self.points["layer"].isin(list(band))]
            for k, same in inside.groupby("k", sort=False):
                rows.append(
                    (
                        f"{band[0]}-{band[-1]}" if len(band) > 1 else str(band[0]),
                        k,
                        float(same["increase"].mean()),
                        len(same),
                    )
                )
        return pd.DataFrame(rows, columns=["band", "k", "increase", "adapters"])


def coefficient_increase(
    lm: LoadedModel,
    adapted: Mapping[int, LoadedModel],
    prompts: Sequence[PromptLike],
    ks: Sequence[int] = COEFFICIENT_KS,
    progress: Progress = silent,
) -> CoefficientIncrease:
    """`sum(sign(m_o) m_i) / sum|m_o| - 1` over the base's top k of each prompt (*choice*), for each adapter.

    Args:
        lm: the base model.
        adapted: models with one adapter, by its layer.
        prompts: text or token ids, read as of `LoadedModel.prompt_ids` in the base model.
        ks: how many of each prompt's most important neurons.
        progress: called after every prompt; when it raises `Stopped`, the mean so far is returned.

    Raises:
        UserError: for no prompts or adapters, or a k that the model cannot take.
    """
    if not prompts or not adapted or not ks:
        raise UserError("Choose at least one prompt, one adapter and one number of neurons.")
    for other in adapted.values():
        check_comparable(lm, other)
    found: dict[tuple[int, int], list[float]] = {(layer, k): [] for layer in sorted(adapted) for k in ks}
    with suppress(Stopped):
        for number, prompt in enumerate(prompts):
            table = coefficients_with(lm, {str(layer): other for layer, other in adapted.items()}, prompt, max(ks))
            for layer, theirs in zip(adapted, table.others, strict=True):
                for k in ks:
                    found[layer, k].append(-coefficient_decrease(table.base[:k], theirs[:k]))
            progress(number + 1, len(prompts))
    rows = [(layer, k, sum(v) / len(v), len(v)) for (layer, k), v in found.items() if v]
    return CoefficientIncrease(pd.DataFrame(rows, columns=["layer", "k", "increase", "prompts"]))


def bands_of(n_layers: int) -> list[range]:
    """The paper's bands of layers (table 10: 1-9, 10-16 and 17-30 of 32), in proportion."""
    first = max(1, round(n_layers * 10 / 32))
    second = max(first, round(n_layers * 17 / 32))
    return [band for band in (range(first), range(first, second), range(second, n_layers)) if len(band)]
