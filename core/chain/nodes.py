"""The nodes and edges of a chain: one function per stage, each of which adds its nodes and the edges into them.

`core.chain.build` says what the attributes mean.
"""

import math
from typing import Any

import networkx as nx
import torch

from core.chain.features import Feature, Features
from core.chain.keys import keys_of, up_and_gate
from core.chain.paths import By, OVPath
from core.chain.pe_dag import Enhancing, subvalues
from core.chain.reach import reaches
from core.forward.record import ActivationCache
from core.model.load import LoadedModel
from core.model.weights import columns
from core.neurons.comparison import Comparison
from core.types import Head, Neuron
from core.vocabulary.projection import project

STAGES = ("token", "shallow", "attention", "head", "deep", "prediction")


PREDICTION = "prediction"


OVPaths = dict[Head, OVPath]  # of the heads that the root reads


N_TOKENS = 10


_TINY = 1e-45


def token_id(position: int) -> str:
    """The node of an input token."""
    return f"token {position}"


def shallow_id(layer: int, neuron: int, position: int) -> str:
    """The node of a shallow neuron at a position."""
    return f"shallow {layer}_{neuron} at {position}"


def attention_id(layer: int) -> str:
    """The node of an attention layer."""
    return f"attention {layer}"


def head_id(layer: int, head: int) -> str:
    """The node of an arithmetic head."""
    return f"head {layer}_{head}"


def neuron_id(layer: int, neuron: int) -> str:
    """The node of a deep neuron."""
    return f"neuron {layer}_{neuron}"


def printable(text: str) -> str:
    """Text that every file format can hold: what cannot be printed is escaped."""
    return "".join(c if c.isprintable() else c.encode("unicode_escape").decode() for c in text)


def add_node(graph: nx.DiGraph, name: str, kind: str, label: str, **given: Any) -> None:
    """Adds a node with every attribute that nodes have."""
    attributes = {
        "kind": kind,
        "stage": STAGES.index(kind),
        "layer": -1,
        "index": -1,
        "position": -1,
        "label": printable(label),
        "weight": 0.0,
        "weight_up": 0.0,
        "weight_gate": 0.0,
        "change": 0.0,
        "importance": 0.0,
        "coefficient": 0.0,
        "tokens": "",
        "tokens_after": "",
    }
    graph.add_node(name, **attributes | given)


def connect(graph: nx.DiGraph, start: str, end: str, kind: str, up: float, gate: float = 0.0) -> None:
    """Adds an edge; its weight is the sum of both."""
    graph.add_edge(start, end, kind=kind, weight=up + gate, weight_up=up, weight_gate=gate)


def add_words(graph: nx.DiGraph, lm: LoadedModel, run: ActivationCache, features: Features, by: By) -> None:
    """One node per input token, weighted by its embedding's score."""
    found = {row.position: row for row in features.rows if row.kind == "embedding"}
    for position, token in enumerate(run.ids):
        scores = _scores(found[position], by) if position in found else {}
        add_node(graph, token_id(position), "token", lm.token(token), index=token, position=position, **scores)


def add_shallow(graph: nx.DiGraph, lm: LoadedModel, run: ActivationCache, features: Features, by: By) -> None:
    """One node per shallow neuron and position, and how its keys read the word there."""
    rows = sorted((r for r in features.rows if r.kind == "neuron"), key=lambda r: (r.layer, r.neuron, r.position))
    keys = keys_of(lm, run, [(row.layer, row.neuron) for row in rows], [row.position for row in rows]).signed
    for number, row in enumerate(rows):
        name = shallow_id(row.layer, row.neuron, row.position)
        add_node(
            graph,
            name,
            "shallow",
            row.name,
            layer=row.layer,
            index=row.neuron,
            position=row.position,
            coefficient=row.coefficient,
            **_scores(row, by),
        )
        reads = up_and_gate(keys[:, number] @ run.resid_pre[0, row.position])
        connect(graph, token_id(row.position), name, "reads", *reads)


def add_attention(graph: nx.DiGraph, run: ActivationCache, features: Features, ov_paths: OVPaths, by: By) -> None:
    """The attention layers that carry features; their weight is what they bring the root through all heads."""
    for j in sorted({row.through for row in features.rows if row.through is not None}):
        brought = torch.stack([o.from_layer(run.attention_out[j], by) for o in ov_paths.values() if o.layer > j])
        weights = _weights(*up_and_gate(brought.sum(0)))
        add_node(graph, attention_id(j), "attention", f"attention {j}", layer=j, **weights)


def add_heads(graph: nx.DiGraph, run: ActivationCache, heads: list[Head], ov_paths: OVPaths) -> None:
    """The arithmetic heads; their weight is what they bring the root from all positions."""
    for head in heads:
        ov_path = ov_paths.get(head)  # none where the root does not read the head
        both = up_and_gate(ov_path.reads(run.resid_pre[head[0]], "weighted").sum(-1)) if ov_path else (0.0, 0.0)
        label = f"{head[0]}_{head[1]}"
        add_node(graph, head_id(*head), "head", label, layer=head[0], index=head[1], **_weights(*both))


def add_deep(graph: nx.DiGraph, lm: LoadedModel, run: ActivationCache, deep: Comparison, enhancing: Enhancing) -> None:
    """Deep neurons with the edges of the PE-DAG, the prediction and the edges into it."""
    pairs = deep.pairs
    best = project(lm, subvalues(lm, run, pairs)).topk(min(N_TOKENS, lm.n_vocab)).indices.tolist()
    change, importance, coefficient = (x.tolist() for x in (deep.change, deep.importance_first, deep.coefficient_first))
    order = sorted(range(len(pairs)), key=lambda i: pairs[i])
    for i in order:
        layer, neuron = pairs[i]
        add_node(
            graph,
            neuron_id(layer, neuron),
            "deep",
            f"{layer}_{neuron}",
            layer=layer,
            index=neuron,
            weight=change[i],
            change=change[i],
            importance=importance[i],
            coefficient=coefficient[i],
            tokens=joined([lm.token(t) for t in best[i]]),
        )
    up, gate = enhancing.weight_up.tolist(), enhancing.weight_gate.tolist()
    for a in order:
        for b in order:
            if pairs[a][0] < pairs[b][0]:
                connect(graph, neuron_id(*pairs[a]), neuron_id(*pairs[b]), "enhance", up[a][b], gate[a][b])
    first, second = (max(p, _TINY) for p in (deep.probability_first, deep.probability_second))
    add_node(
        graph,
        PREDICTION,
        "prediction",
        lm.token(deep.target),
        layer=lm.n_layers,
        index=deep.target,
        position=len(run.ids) - 1,
        weight=deep.probability_first,
        change=math.log(first) - math.log(second),
    )
    for i in order:
        connect(graph, neuron_id(*pairs[i]), PREDICTION, "answer", importance[i])


def add_feature_edges(
    graph: nx.DiGraph, lm: LoadedModel, run: ActivationCache, features: Features, ov_paths: OVPaths, by: By
) -> None:
    """Words and shallow neurons into attention layers, or straight into heads; attention layers into heads."""
    for row in features.rows:
        word = row.kind == "embedding"
        start = token_id(row.position) if word else shallow_id(row.layer, row.neuron, row.position)
        if row.through is not None:
            connect(graph, start, attention_id(row.through), "feature", *_both(row, by))
            continue
        x = run.resid_pre[0, row.position]
        if not word:
            x = subvalues(lm, run, [(row.layer, row.neuron)], [row.position])[0]
        for head, ov_path in ov_paths.items():
            if ov_path.layer > row.layer:
                connect(graph, start, head_id(*head), "feature", *up_and_gate(ov_path.read_at(x, row.position, by)))
    for j in sorted({row.through for row in features.rows if row.through is not None}):
        for head, ov_path in ov_paths.items():
            if ov_path.layer > j:
                weights = up_and_gate(ov_path.from_layer(run.attention_out[j], by))
                connect(graph, attention_id(j), head_id(*head), "transfer", *weights)


def add_predicting_edges(
    graph: nx.DiGraph,
    lm: LoadedModel,
    run: ActivationCache,
    neurons: list[Neuron],
    heads: list[Head],
) -> None:
    """What each head writes at the last position, along the keys of every deep neuron that reads it."""
    keys = keys_of(lm, run, neurons).signed  # (map, k, d_model)
    for head in heads:
        piece = range(head[1] * lm.d_head, (head[1] + 1) * lm.d_head)
        output = columns(lm.modules.head_writer(head[0]), piece)  # (d_model, d_head)
        weights = keys @ (output @ run.z[head[0], -1, piece.start : piece.stop] * run.attention_scale[head[0], -1])
        for i in sorted(range(len(neurons)), key=lambda i: neurons[i]):
            if reaches(lm, head, neurons[i]):
                connect(graph, head_id(*head), neuron_id(*neurons[i]), "predict", *up_and_gate(weights[:, i]))


def joined(tokens: list[str]) -> str:
    """Tokens as one text."""
    return printable(" | ".join(tokens))


def _both(row: Feature, by: By) -> tuple[float, float]:
    return (row.score_up, row.score_gate) if by == "score" else (row.weighted_up, row.weighted_gate)


def _weights(up: float, gate: float) -> dict[str, float]:
    return {"weight": up + gate, "weight_up": up, "weight_gate": gate}


def _scores(row: Feature, by: By) -> dict[str, Any]:
    return {"tokens": joined(row.tokens_before), "tokens_after": joined(row.tokens_after), **_weights(*_both(row, by))}
