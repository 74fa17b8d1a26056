"""The shallow neurons and words that the arithmetic heads bring to a deep neuron (CNA §4.4, table 7).

A shallow neuron writes `m v` at position p; an attention layer j above it carries that on as
`T_j`, the arithmetic head carries it to the last position, and there the root neuron (`core.neurons.root`)
reads it. The score is the inner product of what arrives with the root's keys. Norm scales are
frozen to the run's: layer j's at p, and the head's layer's at the position from which the head brings the
root most (the notebook's choice). Each j is scored separately; the best one is kept (*choice*).

The paper's score has no attention weights: it says what *would* arrive, also from where nothing attends.
`weighted` is the same with the run's attention weights of both hops, over all positions between: what did
arrive. Both leave biases, and paths with more hops, aside.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Literal

import pandas as pd
import torch
from torch import Tensor

from core.chain.keys import keys_of, up_and_gate
from core.chain.paths import By, Path, paths_to
from core.chain.pe_dag import subvalues
from core.chain.reach import check_reach, reaches
from core.errors import UserError
from core.forward.record import ActivationCache
from core.model.load import LoadedModel
from core.model.unembed import BLOCK
from core.model.weights import column_blocks
from core.progress import Progress, silent
from core.types import Head, Neuron
from core.vocabulary.projection import OVMap, project


@dataclass(frozen=True)
class Feature:
    """A shallow neuron or word embedding at one position, by its best path to the root.

    Attributes:
        kind: neuron or embedding.
        layer: of the neuron; -1 for an embedding.
        neuron: its index; -1 for an embedding.
        position: where it is written.
        token: the input token there.
        coefficient: m; 1 for an embedding.
        through: the attention layer that carries it first; None: straight into the head.
        score_up: inner product with the root's up key, times the sign of the root's own score.
        score_gate: the same by the gate key; 0 in models without a gate.
        weighted_up: score_up with the attention weights of the run.
        weighted_gate: score_gate with the attention weights of the run.
        attention: the arithmetic head's weight from the last position to this one (of several: the largest).
        tokens_before: top tokens of what is written.
        tokens_after: top tokens of what attention layer `through` makes of it; empty where there is none.
    """

    kind: Literal["neuron", "embedding"]
    layer: int
    neuron: int
    position: int
    token: str
    coefficient: float
    through: int | None
    score_up: float
    score_gate: float
    weighted_up: float
    weighted_gate: float
    attention: float
    tokens_before: list[str]
    tokens_after: list[str]

    @property
    def score(self) -> float:
        """Up and gate together."""
        return self.score_up + self.score_gate

    @property
    def weighted(self) -> float:
        """Up and gate together, with the attention weights of the run."""
        return self.weighted_up + self.weighted_gate

    @property
    def name(self) -> str:
        """As the paper writes it: 12_4072, or word 3."""
        return f"{self.layer}_{self.neuron}" if self.kind == "neuron" else f"word {self.token.strip()}"


@dataclass(frozen=True)
class Features:
    """The best shallow neurons and every word embedding of one prompt, best first.

    Attributes:
        heads: the arithmetic heads that carry, those of the request that the root reads; scores add up over them.
        root: the deep neuron that reads.
        rows: what was found.
    """

    heads: list[Head]
    root: Neuron
    rows: list[Feature]

    def to_frame(self) -> pd.DataFrame:
        """One row per neuron or embedding; through is missing where there is no first hop."""
        names = [
            "kind",
            "name",
            "layer",
            "neuron",
            "position",
            "token",
            "coefficient",
            "through",
            "score_up",
            "score_gate",
            "score",
            "weighted_up",
            "weighted_gate",
            "weighted",
            "attention",
            "tokens_before",
            "tokens_after",
        ]
        frame = pd.DataFrame([[getattr(row, name) for name in names] for row in self.rows], columns=names)
        return frame.astype({"through": "Int64"})


Spot = tuple[int, int, int]  # layer, neuron (both -1: a word embedding), position


@torch.no_grad()
def find_features(
    lm: LoadedModel,
    run: ActivationCache,
    heads: Sequence[Head],
    root: Neuron,
    layers: Iterable[int] | None = None,
    n: int = 20,
    by: By = "score",
    direct: bool = False,
    k_tokens: int = 10,
    progress: Progress = silent,
) -> Features:
    """Scores every neuron of some shallow layers at every position, and every word embedding.

    Args:
        lm: the model.
        run: the prompt's run.
        heads: (layer, head) of the arithmetic heads.
        root: (layer, neuron) that reads.
        layers: shallow layers; None: all below the highest head's.
        n: how many neurons are kept; embeddings are all kept.
        by: what ranks, also among the attention layers.
        direct: whether the way straight into the head, without a first hop, counts too (*choice*: not the paper's).
        k_tokens: how many top tokens.
        progress: told after every layer.

    Returns:
        The features; no neuron where no attention layer lies between (then try `direct`).

    Raises:
        UserError: for heads, neurons or layers that do not exist or do not lie before each other.
    """
    check_reach(lm, list(heads), root)
    heads = sorted(head for head in set(heads) if reaches(lm, head, root))
    top = max(layer for layer, _ in heads)
    shallow = sorted(set(range(top) if layers is None else layers))
    if shallow and not 0 <= shallow[0] <= shallow[-1] < top:
        raise UserError(f"Shallow layers must lie below the head's, between 0 and {top - 1}.")
    if n < 0 or not 1 <= k_tokens <= lm.n_vocab:
        raise UserError(f"Choose 0 or more neurons, and 1 to {lm.n_vocab} tokens.")
    paths = paths_to(lm, run, heads, keys_of(lm, run, [root]).signed[:, 0], direct)
    found: list[tuple[float, Spot]] = []
    for number, layer in enumerate(shallow):
        found += _best_of_layer(lm, run, layer, [r for r in paths if layer in r.layers], n, by)
        progress(number + 1, len(shallow))
    neurons = [spot for _, spot in sorted(found, key=lambda pair: (-pair[0], pair[1]))[:n]]
    words = [(-1, -1, position) for position in range(len(run.ids))] if paths else []
    scored = _with_paths(lm, run, neurons + words, paths, by)
    attention = torch.stack([run.pattern[layer, head, -1] for layer, head in heads]).amax(0)
    rows = _rows(lm, run, scored, attention, k_tokens)
    rows.sort(key=lambda row: (-getattr(row, by), row.layer, row.neuron, row.position))
    return Features(heads, root, rows)


def _best_of_layer(
    lm: LoadedModel, run: ActivationCache, layer: int, paths: list[Path], n: int, by: By
) -> list[tuple[float, Spot]]:
    """The n best neurons and positions of a layer, each by its best path."""
    if not paths or not n:
        return []
    vectors = torch.stack([path.vectors(by).sum(0) for path in paths]).to(lm.device)  # (path, pos, d_model)
    factor = run.coefficient[layer] * run.ffn_scale[layer, :, None]  # (pos, neuron)
    best = torch.empty_like(factor)
    for place, values in column_blocks(lm.modules.neuron_writer(layer), BLOCK // lm.d_model):
        best[:, place] = ((vectors @ values).cpu() * factor[:, place]).amax(0)
    score, order = best.flatten().sort(descending=True, stable=True)
    return [
        (float(score[i]), (layer, int(at) % lm.n_neurons, int(at) // lm.n_neurons)) for i, at in enumerate(order[:n])
    ]


def _with_paths(
    lm: LoadedModel, run: ActivationCache, spots: list[Spot], paths: list[Path], by: By
) -> list[tuple[Spot, Path, Tensor]]:
    """Each neuron or word with its best path and what it writes."""
    neurons = [spot for spot in spots if spot[0] >= 0]
    subvalue = subvalues(lm, run, [(layer, neuron) for layer, neuron, _ in neurons], [p for *_, p in neurons])
    written = dict(zip(neurons, subvalue, strict=True))
    found = []
    for spot in spots:
        x = written[spot] if spot in written else run.resid_pre[0, spot[2]]
        open_to_it = [path for path in paths if spot[0] in path.layers]
        if open_to_it:
            found.append((spot, max(open_to_it, key=lambda r: float((r.vectors(by)[:, spot[2]] @ x).sum())), x))
    return found


def _rows(
    lm: LoadedModel, run: ActivationCache, found: list[tuple[Spot, Path, Tensor]], attention: Tensor, k: int
) -> list[Feature]:
    tokens = _tokens(lm, [x for *_, x in found], [path.through for _, path, _ in found], k)
    rows = []
    for ((layer, neuron, position), path, x), (before, after) in zip(found, tokens, strict=True):
        up, gate, weighted_up, weighted_gate = (
            value for by in (path.score, path.weighted) for value in up_and_gate(by[:, position] @ x)
        )
        rows.append(
            Feature(
                kind="embedding" if layer < 0 else "neuron",
                layer=layer,
                neuron=neuron,
                position=position,
                token=lm.token(run.ids[position]),
                coefficient=1.0 if layer < 0 else float(run.coefficient[layer, position, neuron]),
                through=path.through,
                score_up=up,
                score_gate=gate,
                weighted_up=weighted_up,
                weighted_gate=weighted_gate,
                attention=float(attention[position]),
                tokens_before=before,
                tokens_after=after,
            )
        )
    return rows


def _tokens(
    lm: LoadedModel, written: list[Tensor], through: list[int | None], k: int
) -> list[tuple[list[str], list[str]]]:
    """Top tokens of each vector, and of what its attention layer makes of it."""

    def top(vectors: Tensor) -> list[list[str]]:
        return [[lm.token(i) for i in best] for best in project(lm, vectors).topk(k).indices.tolist()]

    if not written:
        return []
    x = torch.stack(written)
    after: list[list[str]] = [[] for _ in written]
    for j in sorted({j for j in through if j is not None}):
        mine = [i for i, layer in enumerate(through) if layer == j]
        for i, tokens in zip(mine, top(OVMap.of(lm, j).carry(x[mine])), strict=True):
            after[i] = tokens
    return list(zip(top(x), after, strict=True))
