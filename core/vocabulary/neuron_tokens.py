"""The tokens that neurons promote: their values read in the vocabulary, before and after an attention layer.

CNA §4.4. A neuron's value is projected by the final norm's weight and the output matrix. A shallow
neuron may say nothing there, and yet its value, once an attention layer has carried it
on (`W_O W_V`), names numbers: *hidden-interpretable*. The projection ignores what the
layers between do, and the norm's scale, which does not change the order of tokens.
"""

from collections.abc import Iterable, Sequence

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from core.errors import UserError
from core.hooks import check_neuron
from core.model.load import LoadedModel
from core.model.weights import columns_on_device
from core.progress import Progress, silent
from core.types import Neuron
from core.vocabulary.projection import OVMap, project
from core.vocabulary.shallow import shallow_counts


def sign_of(coefficient: float) -> float:
    """The sign by which a neuron's tokens are read: -1.0 for a negative coefficient, otherwise 1.0."""
    return -1.0 if coefficient < 0 else 1.0


def both_sides(
    lm: LoadedModel, layer: int, neuron: int, k: int = 10, through: int | None = None
) -> tuple[list[str], list[str]]:
    """The k tokens that a neuron promotes and the k that it suppresses when its coefficient is positive.

    A negative coefficient swaps the two. This is how a neuron is read where no run gives its sign.

    Args:
        lm: the model.
        layer: of the neuron.
        neuron: its index.
        k: how many of each.
        through: an attention layer that carries the value on first.

    Raises:
        UserError: for a neuron or layer that does not exist.
    """
    logits = _projection(lm, layer, neuron, k, through)
    return _tokens(lm, logits, k), _tokens(lm, -logits, k)


def top_tokens(
    lm: LoadedModel, layer: int, neuron: int, coefficient: float = 1.0, k: int = 10, through: int | None = None
) -> list[str]:
    """The k tokens that a neuron promotes most.

    Args:
        lm: the model.
        layer: of the neuron.
        neuron: its index.
        coefficient: that of the run; its sign decides which end of the vocabulary is promoted. Where there is no
            run, show `both_sides`.
        k: how many.
        through: an attention layer that carries the value on first.

    Raises:
        UserError: for a neuron or layer that does not exist.
    """
    return _tokens(lm, sign_of(coefficient) * _projection(lm, layer, neuron, k, through), k)


def _tokens(lm: LoadedModel, logits: Float[Tensor, " vocab"], k: int) -> list[str]:
    return [lm.token(i) for i in logits.topk(k).indices.tolist()]


@torch.no_grad()
def _projection(lm: LoadedModel, layer: int, neuron: int, k: int, through: int | None) -> Float[Tensor, " vocab"]:
    """One neuron's value in the vocabulary, for the k largest of either sign."""
    check_neuron(lm, layer, neuron)
    if through is not None and not layer < through < lm.n_layers:
        raise UserError(
            f"Attention layer {through} does not come after layer {layer}: use {layer + 1} to {lm.n_layers - 1}."
        )
    if not 1 <= k <= lm.n_vocab:
        raise UserError(f"{k} tokens cannot be shown: choose 1 to {lm.n_vocab}.")
    vector = columns_on_device(lm.modules.neuron_writer(layer), [neuron])[:, 0]
    return project(lm, vector if through is None else OVMap.of(lm, through).carry(vector))


@torch.no_grad()
def tokens_of(
    lm: LoadedModel, neurons: Sequence[Neuron], coefficients: Sequence[float], k: int = 10
) -> list[list[str]]:
    """The k tokens that each neuron promotes most, as `top_tokens`, for many at once.

    Args:
        lm: the model.
        neurons: (layer, neuron).
        coefficients: their signs decide which end of the vocabulary is promoted.
        k: how many tokens.
    """
    for layer, neuron in neurons:
        check_neuron(lm, layer, neuron)
    out = [[""]] * len(neurons)
    for layer in sorted({layer for layer, _ in neurons}):
        here = [i for i, pair in enumerate(neurons) if pair[0] == layer]
        vectors = columns_on_device(lm.modules.neuron_writer(layer), [neurons[i][1] for i in here]).T
        signs = torch.tensor([sign_of(coefficients[i]) for i in here], device=vectors.device)
        best = project(lm, vectors * signs[:, None]).topk(min(k, lm.n_vocab)).indices.tolist()
        for i, ids in zip(here, best, strict=True):
            out[i] = [lm.token(t) for t in ids]
    return out


def find_shallow_neurons(
    lm: LoadedModel,
    more_than: int = 2,
    layers: Iterable[int] = range(0, 4),
    top: int = 50,
    concepts: Sequence[int] | str | None = None,
    signs: str = "both",
    progress: Progress = silent,
) -> pd.DataFrame:
    """Finds neurons whose value names concepts once a later attention layer has carried it on.

    For every neuron of the layers, every later attention layer up to the one above the
    last of them, and both signs of the value or the positive one, counts the concept tokens
    among the top; keeps the neuron when the largest count is greater than `more_than`.
    `ShallowCounts.by_chance` says how many of them chance alone would give.

    Args:
        lm: the model.
        more_than: M of the paper's table 8; the test is strict.
        layers: the shallow layers.
        top: how many of the top tokens are looked at.
        concepts: token ids, or one of `core.vocabulary.concepts.CONCEPT_LISTS`; None: numbers and operators
            ("all number words").
        signs: "both" (*choice*), or "plus": the value as a positive coefficient writes it.
        progress: told often; a `Stopped` goes on to the caller.

    Returns:
        A frame with columns layer, neuron, through (the attention layer with the largest
        count) and count, in order of layer and neuron.

    Raises:
        UserError: for layers, signs or lists that do not exist, or no concepts.
    """
    return shallow_counts(lm, layers, top, concepts, signs, progress).kept(more_than)
