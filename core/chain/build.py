"""The internal logic chain of one prompt as a graph: how the prompt becomes its answer (CNA figure 1).

Input tokens -> shallow neurons that enhance features -> attention layers that transfer them -> the arithmetic
heads -> deep neurons that enhance each other -> the prediction. Numbers on nodes and edges are the
inner products of `core.chain.features`, `core.chain.head_paths` and `core.chain.pe_dag` and the changes of CNA; each
kind of edge has its own unit, so compare weights within a kind. The graph shows the paths that were measured,
not all paths there are.
"""

from collections.abc import Sequence

import networkx as nx
import torch

from core.chain import nodes as parts
from core.chain.features import Features, find_features
from core.chain.keys import keys_of
from core.chain.paths import By, ov_path_of
from core.chain.pe_dag import enhancing_of
from core.chain.reach import root_below_heads
from core.errors import UserError
from core.forward.record import ActivationCache
from core.model.load import LoadedModel
from core.neurons.comparison import Comparison
from core.types import Head


@torch.no_grad()
def build_chain(
    lm: LoadedModel,
    run: ActivationCache,
    deep: Comparison,
    heads: Sequence[Head],
    features: Features | None = None,
    n_shallow: int = 20,
    by: By = "score",
) -> nx.DiGraph:
    """Builds the chain of one prompt, whole; `core.chain.prune.prune` makes it small enough to read.

    Node attributes (everywhere, so that files have one table): kind (token, shallow, attention, head, deep,
    prediction), stage (0 to 5 in this order), layer, index, position (-1 where there is none), label,
    weight, weight_up, weight_gate, change, importance, coefficient, tokens (the top tokens, as text).
    Weight is: of tokens and shallow neurons the score (or attention-weighted score), of attention layers and heads
    what they bring to the root, of deep neurons the change, of the prediction its probability.

    Edge attributes: kind, weight, weight_up, weight_gate:
    - `reads`, token to shallow neuron: the embedding along the neuron's keys;
    - `feature`, token or shallow neuron to attention layer, or straight to the head: its score;
    - `transfer`, attention layer to head: its output at the position the head reads, along the root's keys;
    - `predict`, head to deep neuron: what the head brings to the last position, along the neuron's keys;
    - `enhance`, deep to deep neuron: the PE-DAG;
    - `answer`, deep neuron to prediction: its importance (nats).

    Args:
        lm: the model.
        run: the prompt's run, heads on.
        deep: the deep neurons: a comparison of heads on and off.
        heads: (layer, head) of the arithmetic heads.
        features: what reaches the root; None: found here.
        n_shallow: how many shallow neurons, where features is None.
        by: whether scores are the paper's or attention-weighted.

    Returns:
        A directed graph without cycles, the same for the same input.

    Raises:
        UserError: for no neurons, none that reads the heads, or features of other neurons or heads.
    """
    heads = sorted(set(heads))
    enhancing = enhancing_of(lm, run, deep.pairs, deep.importance_first)
    root = features.root if features else root_below_heads(lm, heads, deep.pairs, deep.importance_first)
    if features is None:
        features = find_features(lm, run, heads, root, n=n_shallow, by=by)
        lacking = n_shallow and all(row.kind == "embedding" for row in features.rows)
        if lacking or not features.rows:  # no attention layer lies between
            features = find_features(lm, run, heads, root, n=n_shallow, by=by, direct=True)
    if root not in deep.pairs or not set(features.heads) <= set(heads):
        raise UserError("These features belong to other neurons or heads. Find them for the same ones.")
    root_keys = keys_of(lm, run, [root]).signed[:, 0]
    ov_paths = {head: ov_path_of(lm, run, head, root_keys) for head in features.heads}
    graph = nx.DiGraph(
        prompt=parts.printable(lm.decode(run.ids)),
        target=deep.target,
        root=parts.neuron_id(*root),
        heads=" ".join(f"{layer}_{head}" for layer, head in heads),
        by=by,
    )
    parts.add_words(graph, lm, run, features, by)
    parts.add_shallow(graph, lm, run, features, by)
    parts.add_attention(graph, run, features, ov_paths, by)
    parts.add_heads(graph, run, heads, ov_paths)
    parts.add_deep(graph, lm, run, deep, enhancing)
    parts.add_feature_edges(graph, lm, run, features, ov_paths, by)
    parts.add_predicting_edges(graph, lm, run, deep.pairs, heads)
    return graph
