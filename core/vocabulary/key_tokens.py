"""The tokens that a neuron's keys match: what the neuron looks for.

`direction . (n * key)` for every token, n the FFN norm's weight and direction scaled to a
root mean square of 1 (mean taken off first, where the norm does), as the norm would hand
it to the key. Directions (*choice*): a token's input embedding says what a shallow neuron
looks for; its row of the output matrix times the final norm's weight, what a deep one
does, for the residual stream there already holds what will be predicted.

Misleads in between, where the stream holds neither, and for what attention brought from
elsewhere. A gated neuron fires by the *product* of both keys: its gate must be positive
and the up key gives the coefficient's sign, so a token that matches one key only does
little. Biases, which LayerNorm models have, are left out: they are the same for all tokens.
"""

from typing import Literal, get_args

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from core.errors import UserError
from core.hooks import check_neuron
from core.model.load import LoadedModel
from core.model.unembed import BLOCK, Unembedding
from core.model.weights import rows

Direction = Literal["embedding", "output"]


DIRECTIONS: tuple[Direction, ...] = get_args(Direction)


@torch.no_grad()
def key_tokens(
    lm: LoadedModel, layer: int, neuron: int, k: int = 10, direction: Direction = "embedding"
) -> pd.DataFrame:
    """The tokens that a neuron's keys match most, for and against.

    Args:
        lm: the model.
        layer: of the neuron.
        neuron: its index.
        k: how many tokens of each key and sign.
        direction: of the tokens: their input embedding, or their row of the output matrix.

    Returns:
        A frame with columns key (gate and up, or input), sign (1: largest matches, -1:
        smallest), token and match (what the token alone adds to the key's score), in this order.

    Raises:
        UserError: for a neuron or direction that does not exist, or a k outside the vocabulary.
    """
    check_neuron(lm, layer, neuron)
    if direction not in DIRECTIONS:
        raise UserError(f"Direction {direction!r} does not exist: use one of {', '.join(DIRECTIONS)}.")
    if not 1 <= k <= lm.n_vocab:
        raise UserError(f"{k} tokens cannot be shown: choose 1 to {lm.n_vocab}.")
    weight = lm.modules.gain(lm.modules.ffn_norm(layer)).cpu()
    names = ("gate", "up") if len(lm.modules.neuron_input(layer)) == 2 else ("input",)
    found = []
    inputs = lm.modules.neuron_input(layer)
    vectors = torch.cat([weight * rows(keys.module, keys.of([neuron])) for keys in inputs])
    for name, match in zip(names, _matches(lm, vectors, direction), strict=True):
        for sign in (1, -1):
            best = (sign * match).topk(k).indices.tolist()
            found += [(name, sign, lm.token(i), float(match[i])) for i in best]
    return pd.DataFrame(found, columns=["key", "sign", "token", "match"])


def _matches(lm: LoadedModel, keys: Float[Tensor, "key d_model"], direction: Direction) -> Float[Tensor, "key vocab"]:
    """Keys' products with every token's direction at unit root mean square, in pieces of the vocabulary."""
    if direction == "embedding":
        table, by = lm.modules.embedding.weight, torch.ones(lm.d_model, device=lm.device)
    else:
        unembedding = Unembedding.of(lm)
        table, by = unembedding.stored, unembedding.weight
    out, keys = [], keys.to(lm.device)
    for some in table.split(max(1, BLOCK // (4 * lm.d_model))):
        x = some.float() * by
        x = x - x.mean(-1, keepdim=True) if lm.architecture.norm == "layer" else x
        size = x.square().mean(-1).sqrt()
        out.append(torch.where(size > 0, keys @ x.T / size, 0.0).cpu())
    return torch.cat(out, 1)
