"""The analyses that are measured, each beside the plain way of computing the same."""

import os
import tempfile
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any
from unittest import mock

import torch
from torch import Tensor

from benchmarks.heads import hooked
from benchmarks.mediation import replacing, run
from core.forward.record import ActivationCache, record
from core.heads.sweep import sweep_heads
from core.hooks import ScaleHead, intervene
from core.mediation.measure import mediate
from core.mediation.pairs import typed_pair
from core.model.load import LoadedModel
from core.model.unembed import Unembedding
from core.model.weights import on_device, values
from core.neurons.bounds import value_extremes
from core.neurons.compare import compare_heads
from core.neurons.layers import layer_increase
from core.types import Head
from core.vocabulary.projection import OVMap
from core.vocabulary.shallow import shallow_counts

PROMPT, OTHER, K = "3+5=", "2+6=", 99

#: The plain ways run for so many neurons of a layer, heads, or layers.
SAMPLE = 256
SAMPLED_HEADS = 8
SAMPLED_LAYERS = 2

CONCEPTS = list(range(50))  # of a random model's tokens any are as good
TOP = 50


@dataclass(frozen=True)
class Plain:
    """The result of a plain way: the part that was computed, and how much of the whole it is."""

    part: Any
    share: float


@dataclass(frozen=True)
class Operation:
    """An analysis.

    Attributes:
        ours: computes it.
        plain: computes it, or a part of it, the plain way; None where there is no other.
        difference: of both results; infinite where they do not agree.
        before: what is computed once a model, before the time is taken.
    """

    ours: Callable[[LoadedModel], Any]
    plain: Callable[[LoadedModel], Plain] | None = None
    difference: Callable[[LoadedModel, Any, Any], float] | None = None
    before: Callable[[LoadedModel], Any] | None = None


def middle(lm: LoadedModel) -> Head:
    """A head of the layer in the middle: the layers from there on are compared."""
    return lm.n_layers // 2, 0


def prepared(lm: LoadedModel) -> Any:
    """What CNA needs once a model, for the layers that are compared."""
    return value_extremes(lm, range(middle(lm)[0], lm.n_layers))


def cna(lm: LoadedModel) -> Any:
    """The top neurons."""
    return compare_heads(lm, PROMPT, [middle(lm)], K)


def _both_runs(lm: LoadedModel) -> list[ActivationCache]:
    ids, head = lm.encode(PROMPT), middle(lm)
    first = record(lm, ids)
    with intervene(lm, ScaleHead(*head, 0.0)):
        return [first, record(lm, ids)]


@torch.no_grad()
def dense_changes(lm: LoadedModel, runs: list[ActivationCache], layer: int, neurons: Tensor) -> Tensor:
    """Changes of importance of some neurons of a layer, as one would write it down."""
    matrix, unembedding = on_device(lm.modules.unembedding), Unembedding.of(lm)
    scale, target = unembedding.scale(runs[0].resid_post[-1]), int(runs[0].logits[-1].argmax())
    found = []
    for one in runs:
        r = one.resid_pre[layer, -1] + one.attention_out[layer, -1]
        after = r + one.coefficient[layer, -1, neurons][:, None] * values(lm, layer)[neurons]
        both = torch.cat([r[None], after]).to(lm.device)
        logs = torch.log_softmax(unembedding.normalised(both, scale) @ matrix.T, -1)[:, target].cpu()
        found.append(logs[1:] - logs[0])
    return found[0] - found[1]


def plain_cna(lm: LoadedModel) -> Plain:
    """The dense product for evenly spaced neurons of every layer (below the head too: it does not know better)."""
    neurons = torch.arange(0, lm.n_neurons, max(1, lm.n_neurons // SAMPLE))
    runs = _both_runs(lm)
    changes = torch.stack([dense_changes(lm, runs, layer, neurons) for layer in range(lm.n_layers)])
    return Plain((neurons, changes), len(neurons) / lm.n_neurons)


def cna_difference(lm: LoadedModel, top: Any, sample: Any) -> float:
    """Largest difference of the top's changes from the dense ones; infinite where a sampled neuron is missing in it."""
    runs, worst = _both_runs(lm), 0.0
    for layer in top.layer.unique().tolist():
        here = top.layer == layer
        worst = max(worst, float((dense_changes(lm, runs, layer, top.neuron[here]) - top.change[here]).abs().max()))
    neurons, changes = sample
    chosen = set(top.pairs)
    above = (changes > float(top.change.min()) + 2e-5).nonzero().tolist()
    missing = [(layer, i) for layer, i in above if (layer, int(neurons[i])) not in chosen]
    return float("inf") if missing else worst


@torch.no_grad()
def plain_increase(lm: LoadedModel) -> Plain:
    """Every layer's three vectors through the whole output matrix in float32."""
    run_ = record(lm, lm.prompt_ids(PROMPT))
    unembedding, matrix = Unembedding.of(lm), on_device(lm.modules.unembedding)
    scale, target = unembedding.scale(run_.resid_post[-1]), int(run_.logits[-1].argmax())
    rows = []
    for layer in range(lm.n_layers):
        before = run_.resid_pre[layer, -1]
        middle_ = before + run_.attention_out[layer, -1]
        y = torch.stack([before, middle_, middle_ + run_.ffn_out[layer, -1]]).to(lm.device)
        logs = torch.log_softmax(unembedding.normalised(y, scale) @ matrix.T, -1)[:, target].cpu()
        rows.append(logs[1:] - logs[:-1])
    return Plain(torch.stack(rows), 1.0)


def increase_difference(lm: LoadedModel, found: Any, plain: Any) -> float:
    """Largest difference, nats."""
    return float((torch.stack([found.attention, found.ffn], 1) - plain).abs().max())


def _sampled_heads(lm: LoadedModel) -> list[Head]:
    every = [(layer, head) for layer in range(lm.n_layers) for head in range(lm.n_heads)]
    return every[:: max(1, len(every) // SAMPLED_HEADS)][:SAMPLED_HEADS]


def plain_sweep(lm: LoadedModel) -> Plain:
    """A hook and a whole pass for each head."""
    heads = _sampled_heads(lm)
    target = int(lm.logits(lm.encode(PROMPT))[-1].argmax())
    return Plain(hooked(lm, [PROMPT], [target], heads)[0], len(heads) / (lm.n_layers * lm.n_heads))


def sweep_difference(lm: LoadedModel, found: Any, plain: Any) -> float:
    """Largest difference of a probability."""
    return float((torch.stack([found.probability[0, i, j] for i, j in _sampled_heads(lm)]) - plain).abs().max())


def _pair(lm: LoadedModel) -> Any:
    return typed_pair(lm, PROMPT, OTHER)


def _sampled_layers(lm: LoadedModel) -> list[int]:
    return list(range(0, lm.n_layers, max(1, lm.n_layers // SAMPLED_LAYERS)))[:SAMPLED_LAYERS]


def mediation(lm: LoadedModel) -> Any:
    """Every layer's FFN at every position."""
    return mediate(lm, [_pair(lm)], ("ffn",))


def plain_mediation(lm: LoadedModel) -> Plain:
    """A hook and a whole pass for each layer and position."""
    pair, layers = _pair(lm), _sampled_layers(lm)
    modules = [lm.modules.ffn(layer) for layer in layers]
    base, _ = run(lm, list(pair.base_ids), modules)
    other, kept = run(lm, list(pair.alternative_ids), modules)
    results = [int(base.argmax()), int(other.argmax())]
    if pair.base_result is not None and pair.alternative_result is not None:
        results = [pair.base_result, pair.alternative_result]
    out = []
    for module, value in zip(modules, kept, strict=True):
        for position in range(len(pair.base_ids)):
            handle = module.register_forward_hook(replacing(value[0, position], position))
            with torch.no_grad():
                logits = lm.model(lm.tensor(list(pair.base_ids)), use_cache=False).logits[0, -1]
            handle.remove()
            out.append(torch.softmax(logits.float(), -1)[results])
    return Plain(torch.stack(out).cpu(), len(layers) / lm.n_layers)


def mediation_difference(lm: LoadedModel, found: Any, plain: Any) -> float:
    """Largest difference of a probability."""
    patched = found.effects["ffn"][0].patched.exp()  # (layer, position, result)
    return float((patched[_sampled_layers(lm)].flatten(0, 1) - plain).abs().max())


def shallow(lm: LoadedModel) -> Any:
    """The neurons of layer 0 through attention layer 1; counted anew, for counts are kept on disk."""
    with tempfile.TemporaryDirectory() as empty, mock.patch.dict(os.environ, {"ABACUS_CACHE": empty}):
        return shallow_counts(lm, [0], TOP, CONCEPTS)


@torch.no_grad()
def plain_shallow(lm: LoadedModel) -> Plain:
    """The projection of a part of the neurons, with the whole output matrix in float32."""
    some = values(lm, 0)[:SAMPLE].to(lm.device)
    logits = Unembedding.of(lm).direction(OVMap.of(lm, 1).carry(some)) @ on_device(lm.modules.unembedding).T
    concept = torch.zeros(lm.n_vocab, device=lm.device)
    concept[CONCEPTS] = 1.0
    ends = [logits.topk(TOP, largest=side).indices for side in (True, False)]
    counts = torch.stack([concept[end].sum(-1) for end in ends]).amax(0)
    return Plain(counts.cpu(), len(some) / lm.n_neurons)


def shallow_difference(lm: LoadedModel, found: Any, plain: Any) -> float:
    """Counts that differ by more than the rounding at the edge of the top could make them."""
    different = (found.count[0, : len(plain), 0].float() - plain).abs()
    return float("inf") if float(different.max()) > 1 else float((different > 0).float().mean())


OPERATIONS = {
    "forward": Operation(lambda lm: lm.logits(lm.encode(PROMPT))),
    "preparation": Operation(prepared),
    "cna": Operation(cna, plain_cna, cna_difference, prepared),
    "increase": Operation(lambda lm: layer_increase(lm, PROMPT), plain_increase, increase_difference),
    "sweep": Operation(lambda lm: sweep_heads(lm, [PROMPT]), plain_sweep, sweep_difference),
    "mediation": Operation(mediation, plain_mediation, mediation_difference),
    "filter": Operation(shallow, plain_shallow, shallow_difference),
}

#: What two ways of computing may differ by; passes in bf16 round differently with other numbers of rows.
MOST = {"cna": 2e-5, "increase": 2e-5, "sweep": 2e-2, "mediation": 2e-2, "filter": 0.05}
