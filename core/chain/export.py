"""How does a chain leave the app and come back? GraphML for graph programs, JSON for everything else."""

import io
import json
from xml.etree.ElementTree import ParseError

import networkx as nx

from core.errors import UserError


def to_graphml(graph: nx.DiGraph) -> str:
    """The graph as GraphML text, every attribute typed."""
    return "\n".join(nx.generate_graphml(graph)) + "\n"


def from_graphml(text: str) -> nx.DiGraph:
    """Reads what `to_graphml` wrote.

    Raises:
        UserError: for text that is no graph.
    """
    try:
        graph = nx.read_graphml(io.BytesIO(text.encode()))
    except (ParseError, nx.NetworkXError, KeyError, ValueError) as error:
        raise UserError("This is no GraphML file of a graph. Export it again.") from error
    for added_by_reader in ("node_default", "edge_default"):
        graph.graph.pop(added_by_reader, None)
    return graph


def to_json(graph: nx.DiGraph) -> str:
    """The graph as JSON: `graph` (what was asked), `nodes` (each with its `id`), `edges` (`source`, `target`)."""
    return json.dumps(nx.node_link_data(graph, edges="edges"), ensure_ascii=False, indent=1)


def from_json(text: str) -> nx.DiGraph:
    """Reads what `to_json` wrote.

    Raises:
        UserError: for text that is no graph.
    """
    try:
        return nx.node_link_graph(json.loads(text), edges="edges")
    except (ValueError, TypeError, KeyError, AttributeError, nx.NetworkXError) as error:
        raise UserError("This is no JSON file of a graph. Export it again.") from error
