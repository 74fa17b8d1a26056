"""A chain as a file: GraphML for graph programs, JSON (networkx node-link data) for everything else."""

import json

import networkx as nx


def to_graphml(graph: nx.DiGraph) -> str:
    """The graph as GraphML text, every attribute typed."""
    return "\n".join(nx.generate_graphml(graph)) + "\n"


def to_json(graph: nx.DiGraph) -> str:
    """The graph as JSON: `graph` (what was asked), `nodes` (each with its `id`), `edges` (`source`, `target`)."""
    return json.dumps(nx.node_link_data(graph, edges="edges"), ensure_ascii=False, indent=1)
