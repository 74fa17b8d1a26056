"""The neurons of the whole model that promote a word.

Every value v is read in the vocabulary, `W_U (g * v)`, with both signs: a neuron promotes
by a negative coefficient what -v names. Neurons are compared by the *score*
(token's logit - mean) / standard deviation over the vocabulary of the neuron's own
projection (*choice*): it does not grow with the length of v, which the coefficient makes
up for. The mean and deviation of all neurons come from the mean and covariance of the
output matrix, so the full vocabulary is needed for the best k only.

It says what a neuron would write, not that it ever fires; and shallow neurons act through
later layers, which this leaves out (see `core.vocabulary.shallow`).
"""

from collections.abc import Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass

import pandas as pd
import torch
from jaxtyping import Float
from torch import Tensor

from core.errors import UserError
from core.model.load import LoadedModel
from core.model.unembed import Unembedding
from core.model.weights import column_blocks, columns_on_device
from core.progress import Progress, Stopped, silent
from core.vocabulary.concepts import word_tokens
from core.vocabulary.projection import project

_CHUNK = 2**24


_Found = tuple[float, int, int, int]  # score, layer, neuron, sign


@dataclass(frozen=True)
class Promoter:
    """One neuron and sign.

    `score` is in standard deviations, `rank` 1 where no token is promoted more, `token` the
    id of the word's spelling that is promoted most.
    """

    layer: int
    neuron: int
    sign: int
    token: int
    score: float
    rank: int
    top_tokens: list[str]


@dataclass(frozen=True)
class Promoters:
    """The neurons that promote a word most, best first.

    Attributes:
        word: what was looked for.
        tokens: its ids, with and without a leading space.
        found: neurons in order of score; equal ones by layer, neuron, and plus before minus.
        layers: which layers were searched (before a Stop).
    """

    word: str
    tokens: list[int]
    found: list[Promoter]
    layers: list[int]

    def to_frame(self) -> pd.DataFrame:
        """One row per neuron and sign: layer, neuron, sign, token, score, rank, top_tokens (joined by spaces)."""
        rows = [
            (p.layer, p.neuron, p.sign, p.token, p.score, p.rank, " ".join(t.strip() for t in p.top_tokens))
            for p in self.found
        ]
        return pd.DataFrame(rows, columns=["layer", "neuron", "sign", "token", "score", "rank", "top_tokens"])


@torch.no_grad()
def promoters(
    lm: LoadedModel,
    word: str,
    k: int = 50,
    layers: Iterable[int] | None = None,
    n_top: int = 10,
    progress: Progress = silent,
) -> Promoters:
    """Finds the neurons, of both signs, whose projection promotes a word most.

    Args:
        lm: the model.
        word: one that is a token of the model, with or without a leading space.
        k: how many neurons.
        layers: only these; None: all.
        n_top: how many top tokens of each to show.
        progress: told after every layer; when it raises `Stopped`, the best of the layers so far are returned.

    Raises:
        UserError: for a word that is not a single token, layers that do not exist, or a k below 1.
    """
    searched = sorted(set(range(lm.n_layers) if layers is None else layers))
    if not searched or searched[0] < 0 or searched[-1] >= lm.n_layers:
        raise UserError(f"Choose layers between 0 and {lm.n_layers - 1}.")
    if k < 1 or not 1 <= n_top <= lm.n_vocab:
        raise UserError(f"Choose 1 or more neurons, and 1 to {lm.n_vocab} top tokens of each.")
    tokens = word_tokens(lm, word)
    spread = VocabularySpread.of(lm)
    best: list[_Found] = []
    seen: list[int] = []
    with suppress(Stopped):
        for layer in searched:
            output = lm.modules.neuron_writer(layer)
            scores = torch.cat(
                [spread.scores(some.T, tokens) for _, some in column_blocks(output, _CHUNK // lm.d_model)]
            )
            sides = torch.stack([scores, -scores], 1).max(-1).values.flatten()  # (neuron * sign)
            some = sides.topk(min(k, len(sides)))
            best += [
                (score, layer, i // 2, -1 if i % 2 else 1)
                for score, i in zip(some.values.tolist(), some.indices.tolist(), strict=True)
            ]
            best = sorted(best, key=_order)[:k]
            seen.append(layer)
            progress(len(seen), len(searched))
    found = sorted(_look_closely(lm, best, tokens, n_top), key=lambda p: -p.score)
    return Promoters(word.strip(), tokens, found, seen)


def _order(found: _Found) -> tuple[float, int, int, int]:
    score, layer, neuron, sign = found
    return -score, layer, neuron, -sign


@dataclass(frozen=True)
class VocabularySpread:
    """Mean and covariance over the vocabulary of the output matrix's rows, on the model's device."""

    unembedding: Unembedding
    mean: Float[Tensor, " d_model"]
    covariance: Float[Tensor, "d_model d_model"]

    @classmethod
    @torch.no_grad()
    def of(cls, lm: LoadedModel) -> "VocabularySpread":
        """Reads a loaded model, in pieces of the vocabulary."""
        unembedding = Unembedding.of(lm)
        mean = torch.stack([rows.sum(0) for _, rows in unembedding.blocks()]).sum(0) / len(unembedding.stored)
        covariance = torch.zeros(lm.d_model, lm.d_model, device=mean.device)
        for _, rows in unembedding.blocks():
            centred = rows - mean
            covariance += centred.T @ centred
        return cls(unembedding, mean, covariance / len(unembedding.stored))

    def scores(self, vectors: Float[Tensor, "neuron d_model"], tokens: Sequence[int]) -> Float[Tensor, "neuron token"]:
        """(logit - mean) / deviation of some tokens in each vector's projection; 0 where it has no spread."""
        unembedding = self.unembedding
        x = vectors.to(self.mean.device)
        x = (x - x.mean(-1, keepdim=True) if unembedding.centered else x) * unembedding.weight
        above = x @ (unembedding.rows(tokens) - self.mean).T
        deviation = (x @ self.covariance * x).sum(-1).clamp(min=0).sqrt()
        return torch.where(deviation[:, None] > 0, above / deviation[:, None], 0.0).cpu()


def _look_closely(lm: LoadedModel, found: Sequence[_Found], tokens: list[int], n_top: int) -> Iterator[Promoter]:
    """Score, rank and top tokens by the full vocabulary."""
    size = max(1, _CHUNK // lm.n_vocab)
    for some in (found[start : start + size] for start in range(0, len(found), size)):
        values = [columns_on_device(lm.modules.neuron_writer(layer), [neuron])[:, 0] for _, layer, neuron, _ in some]
        vectors = torch.stack([sign * value for (*_, sign), value in zip(some, values, strict=True)])
        for (_, layer, neuron, sign), logits in zip(some, project(lm, vectors), strict=True):
            at = int(logits[tokens].argmax())
            spread = float(logits.std(correction=0))
            score = float(logits[tokens[at]] - logits.mean()) / spread if spread else 0.0
            rank = 1 + int((logits > logits[tokens[at]]).sum())
            top = [lm.token(i) for i in logits.topk(n_top).indices.tolist()]
            yield Promoter(layer, neuron, sign, tokens[at], score, rank, top)
