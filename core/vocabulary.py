"""What do neurons mean, read in the vocabulary, before and after an attention layer?

CNA §4.4. A neuron's value is projected by the final norm's weight and the output matrix. A shallow
neuron may say nothing there, and yet its value, once an attention layer has carried it
on (`W_O W_V`), names numbers: *hidden-interpretable*. The projection ignores what the
layers between do, and the norm's scale, which does not change the order of tokens.
"""

from collections.abc import Iterable, Sequence
from typing import TYPE_CHECKING

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from core.concepts import concept_tokens
from core.errors import UserError
from core.hooks import check_neuron
from core.progress import Progress, silent
from core.readout import Readout
from core.weights import value_output, values

if TYPE_CHECKING:
    from core.model import LoadedModel

_CHUNK = 2**24


def project(
    lm: "LoadedModel", vectors: Float[Tensor, "*batch d_model"], readout: Readout | None = None
) -> Float[Tensor, "*batch vocab"]:
    """`W_U (g * x)`: residual stream vectors in the vocabulary, up to the norm's scale.

    Pass the readout when projecting often: it is a float32 copy of the output matrix.
    """
    readout = readout or Readout.of(lm)
    centred = vectors - vectors.mean(-1, keepdim=True) if readout.centered else vectors
    return centred * readout.weight.cpu() @ readout.unembedding.cpu().T


def through_attention(
    lm: "LoadedModel", vectors: Float[Tensor, "*batch d_model"], layer: int
) -> Float[Tensor, "*batch d_model"]:
    """`T_j(x) = W_O W_V (g_j * x)`, up to the norm's scale: what attention layer j passes on."""
    if lm.architecture.norm == "layer":
        vectors = vectors - vectors.mean(-1, keepdim=True)
    return vectors * lm.modules.attention_norm(layer).weight.float().cpu() @ value_output(lm, layer).T


def top_tokens(
    lm: "LoadedModel", layer: int, neuron: int, coefficient: float = 1.0, k: int = 10, through: int | None = None
) -> list[str]:
    """The k tokens that a neuron promotes most.

    Args:
        lm: the model.
        layer: of the neuron.
        neuron: its index.
        coefficient: its sign decides which end of the vocabulary is promoted.
        k: how many.
        through: an attention layer that carries the value on first.

    Raises:
        UserError: for a neuron or layer that does not exist.
    """
    check_neuron(lm, layer, neuron)
    if through is not None and not layer < through < lm.n_layers:
        raise UserError(f"Attention layer {through} does not come after layer {layer}: use {layer + 1} to "
                        f"{lm.n_layers - 1}.")  # fmt: skip
    if not 1 <= k <= lm.n_vocab:
        raise UserError(f"{k} tokens cannot be shown: choose 1 to {lm.n_vocab}.")
    vector = coefficient * values(lm, layer)[neuron]
    if through is not None:
        vector = through_attention(lm, vector, through)
    return [lm.token(i) for i in project(lm, vector).topk(k).indices.tolist()]


@torch.no_grad()
def find_shallow_neurons(
    lm: "LoadedModel",
    more_than: int = 2,
    layers: Iterable[int] = range(0, 4),
    top: int = 50,
    concepts: Sequence[int] | None = None,
    progress: Progress = silent,
) -> pd.DataFrame:
    """Finds neurons whose value names concepts once a later attention layer has carried it on.

    For every neuron of the layers, every later attention layer up to the one above the
    last of them, and both signs of the value (*choice*), counts the concept tokens among
    the top; keeps the neuron when the largest count is greater than `more_than`.

    Args:
        lm: the model.
        more_than: M of the paper's table 8; the test is strict.
        layers: the shallow layers.
        top: how many of the top tokens are looked at.
        concepts: token ids; None: numbers and operators.
        progress: told after every pair of layers.

    Returns:
        A frame with columns layer, neuron, through (the attention layer with the largest
        count) and count, in order of layer and neuron.

    Raises:
        UserError: for layers that do not exist, or no concepts.
    """
    shallow = sorted(set(layers))
    if not shallow or shallow[0] < 0 or shallow[-1] >= lm.n_layers - 1:
        raise UserError(f"Choose shallow layers between 0 and {lm.n_layers - 2}: an attention layer must follow.")
    ids = list(concept_tokens(lm) if concepts is None else concepts)
    if not ids or not all(0 <= i < lm.n_vocab for i in ids):
        raise UserError("The set of concept tokens is empty or holds ids outside the vocabulary.")
    if not 1 <= top <= lm.n_vocab:
        raise UserError(f"The top {top} tokens cannot be looked at: choose 1 to {lm.n_vocab}.")
    concept = torch.zeros(lm.n_vocab)
    concept[ids] = 1.0
    readout = Readout.of(lm)
    pairs = [(layer, j) for layer in shallow for j in range(layer + 1, shallow[-1] + 2)]
    best = {layer: torch.full((lm.n_neurons,), -1.0) for layer in shallow}
    where = {layer: torch.zeros(lm.n_neurons, dtype=torch.long) for layer in shallow}
    for number, (layer, j) in enumerate(pairs):
        carried = through_attention(lm, values(lm, layer), j)  # (neuron, d_model)
        count = torch.cat(
            [_count(project(lm, rows, readout), concept, top) for rows in carried.split(max(1, _CHUNK // lm.n_vocab))]
        )
        better = count > best[layer]
        best[layer][better], where[layer][better] = count[better], j
        progress(number + 1, len(pairs))
    rows = [
        (layer, int(n), int(where[layer][n]), int(best[layer][n]))
        for layer in shallow
        for n in (best[layer] > more_than).nonzero()[:, 0]
    ]
    return pd.DataFrame(rows, columns=["layer", "neuron", "through", "count"])


def _count(logits: Tensor, concept: Tensor, top: int) -> Tensor:
    counts = [concept[side.topk(top).indices].sum(-1) for side in (logits, -logits)]
    return torch.maximum(*counts)
