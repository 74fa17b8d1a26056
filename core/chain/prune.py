"""The part of a chain that can be read at a glance: each stage's heaviest nodes, each with a path to the answer."""

import networkx as nx

from core.errors import UserError


def prune(graph: nx.DiGraph, nodes: int = 40, weakest: float = 0.1) -> nx.DiGraph:
    """A smaller chain: the same attributes, order and way of writing.

    The prediction, the heads and the root always stay; about half of the others are words and shallow neurons with
    the largest positive weight, each with the attention layer that carries it and its word, and the rest deep
    neurons with the largest change. Whatever stays still leads to the prediction.

    Args:
        graph: from `core.chain.build.build_chain`.
        nodes: how many nodes at most.
        weakest: edges lighter than this share of the heaviest of their kind go (by magnitude), except a
            node's heaviest way on.

    Raises:
        UserError: for too few nodes, or a share outside 0 to 1.
    """
    fixed = {name for name, kind in graph.nodes(data="kind") if kind in ("head", "prediction")}
    fixed.add(graph.graph["root"])
    if nodes < len(fixed):
        raise UserError(f"This chain needs at least {len(fixed)} nodes: heads, root and prediction. Show more.")
    if not 0 <= weakest <= 1:
        raise UserError("The weakest edge is a share of the heaviest: choose 0 to 1.")
    deep = _heaviest(graph, "deep")
    kept = fixed | set(deep[: (nodes - len(fixed)) // 2])
    for name in _heaviest(graph, "token", "shallow"):
        needed = {name, *_ways_on(graph, name), *_word(graph, name)}
        if len(kept | needed) <= nodes:
            kept |= needed
    kept |= set([name for name in deep if name not in kept][: nodes - len(kept)])
    return _thinned(graph.subgraph(kept), graph, weakest)


def _heaviest(graph: nx.DiGraph, *kinds: str) -> list[str]:
    found = [(-weight, name) for name, weight in graph.nodes(data="weight") if graph.nodes[name]["kind"] in kinds]
    return [name for _, name in sorted(found, key=lambda pair: pair[0])]  # equal weights: as in the graph


def _ways_on(graph: nx.DiGraph, name: str) -> set[str]:
    return {end for _, end, kind in graph.out_edges(name, data="kind") if kind == "feature"}


def _word(graph: nx.DiGraph, name: str) -> set[str]:
    return {start for start, _, kind in graph.in_edges(name, data="kind") if kind == "reads"}


def _thinned(part: nx.DiGraph, whole: nx.DiGraph, weakest: float) -> nx.DiGraph:
    """The part, in the whole's order, without light edges."""
    limit: dict[str, float] = {}
    strongest: dict[tuple[str, str], tuple[float, str]] = {}
    for start, end, data in part.edges(data=True):
        kind, weight = data["kind"], abs(data["weight"])
        limit[kind] = max(limit.get(kind, 0.0), weakest * weight)
        if kind != "enhance":  # a deep neuron's way on is its edge to the prediction
            strongest[start, kind] = max(strongest.get((start, kind), (-1.0, "")), (weight, end))
    out = nx.DiGraph(**whole.graph)
    out.add_nodes_from((name, dict(data)) for name, data in whole.nodes(data=True) if name in part)
    for start, end, data in whole.edges(data=True):
        if start in part and end in part:
            best = strongest.get((start, data["kind"]), (0.0, None))[1] == end
            if best or abs(data["weight"]) >= limit[data["kind"]]:
                out.add_edge(start, end, **data)
    return out
