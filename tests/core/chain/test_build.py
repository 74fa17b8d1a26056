"""The chain of a prompt: its parts against the analyses they come from, what a smaller one keeps, and its files."""

import io
import json

import networkx as nx
import pytest

from core.chain.build import build_chain
from core.chain.export import to_graphml, to_json
from core.chain.features import find_features
from core.chain.head_paths import head_paths
from core.chain.nodes import PREDICTION, neuron_id, printable, shallow_id, token_id
from core.chain.pe_dag import enhancing_of
from core.chain.prune import prune
from core.errors import UserError
from core.forward.record import record
from tests.dense import dense_comparison
from tests.some import some

PROMPT = "3+5="


def from_graphml(text):
    graph = nx.read_graphml(io.BytesIO(text.encode()))
    for added_by_the_reader in ("node_default", "edge_default"):
        graph.graph.pop(added_by_the_reader, None)
    return graph


def from_json(text):
    return nx.node_link_graph(json.loads(text), edges="edges")


def leads_on(graph) -> bool:
    """Whether the prediction can be reached from every node."""
    return len(nx.ancestors(graph, PREDICTION)) == len(graph) - 1


def compare(lm, heads, k):
    """The run, and the k largest changes by the full vocabulary."""
    run = record(lm, lm.encode(PROMPT))
    return run, dense_comparison(lm, run.ids, heads, k)


@pytest.fixture(scope="module")
def case(bundled, arithmetic_heads):
    heads = arithmetic_heads[:2]
    run, deep = compare(bundled, heads, 30)
    return run, deep, heads, build_chain(bundled, run, deep, heads, n_shallow=12)


def of_kind(graph, kind):
    return {(a, b): data for a, b, data in graph.edges(data=True) if data["kind"] == kind}


def test_numbers_are_those_of_the_analyses(bundled, case):
    run, deep, heads, graph = case
    dag = enhancing_of(bundled, run, deep.pairs, deep.importance_first)
    assert graph.graph["root"] == neuron_id(*dag.root)
    names = [neuron_id(*pair) for pair in deep.pairs]
    enhance = of_kind(graph, "enhance")
    assert len(enhance) == len(dag.to_frame())
    for (a, b), data in some(enhance.items()):
        assert data["weight_gate"] == dag.weight_gate[names.index(a), names.index(b)]
    for i, name in enumerate(some(names)):
        node = graph.nodes[name]
        assert (node["change"], node["importance"]) == (deep.change[i], deep.importance_first[i])
        assert graph.edges[name, PREDICTION]["weight"] == deep.importance_first[i]
    features = find_features(bundled, run, heads, dag.root, n=12)
    for row in some(features.rows):
        neuron = row.kind == "neuron"
        name = shallow_id(row.layer, row.neuron, row.position) if neuron else token_id(row.position)
        assert graph.nodes[name]["weight"] == pytest.approx(row.score)
        assert graph.edges[name, f"attention {row.through}"]["weight"] == pytest.approx(row.score)
    for layer, head in some(heads):
        route = head_paths(bundled, run, (layer, head), dag.root)
        sources = route.sources_frame().set_index("source").weight
        for (a, b), data in some(of_kind(graph, "transfer").items()):
            if b == f"head {layer}_{head}":
                assert data["weight"] == pytest.approx(sources[a], rel=1e-3, abs=1e-5)
        into_root = graph.edges[f"head {layer}_{head}", graph.graph["root"]]
        total = route.positions_frame().weight.sum()
        assert into_root["weight"] == pytest.approx(total, rel=1e-3, abs=1e-5)
        assert graph.nodes[f"head {layer}_{head}"]["weight"] == pytest.approx(total, rel=1e-3, abs=1e-5)
    assert graph.nodes[PREDICTION]["label"] == bundled.token(deep.target)
    assert graph.nodes[PREDICTION]["weight"] == deep.probability_first


def test_a_chain_runs_one_way(bundled, case):
    run, deep, heads, graph = case
    assert nx.is_directed_acyclic_graph(graph)
    assert leads_on(graph)
    stage, layer = graph.nodes(data="stage"), graph.nodes(data="layer")
    assert all(stage[a] < stage[b] or layer[a] < layer[b] for a, b in some(graph.edges))
    assert [s for _, s in stage] == sorted(s for _, s in stage)
    plain = (str, int, float, bool)
    assert all(type(value) in plain for _, data in some([*graph.nodes(data=True)]) for value in data.values())
    assert len({frozenset(data) for _, data in graph.nodes(data=True)}) == 1
    again = build_chain(bundled, run, deep, heads[::-1], n_shallow=12)
    assert to_json(again) == to_json(graph)  # order too


def test_every_architecture_has_a_chain(any_model):
    heads = [(1, 2)]
    run, deep = compare(any_model, heads, 12)
    for by in ("score", "weighted"):
        graph = build_chain(any_model, run, deep, heads, n_shallow=4, by=by)
        kinds = [kind for _, kind in graph.nodes(data="kind")]
        assert (kinds.count("shallow"), kinds.count("deep"), kinds.count("token")) == (4, 12, len(run.ids))
        assert leads_on(graph)
        assert leads_on(prune(graph, 12))
        root = graph.nodes[graph.graph["root"]]["layer"]
        assert graph.has_edge("head 1_2", graph.graph["root"])
        assert root >= 1 + any_model.modules.parallel


def test_the_weighted_score_has_its_own_numbers(bundled, case):
    run, deep, heads, _ = case
    features = find_features(
        bundled,
        run,
        heads,
        enhancing_of(bundled, run, deep.pairs, deep.importance_first).root,
        n=5,
        by="weighted",
        direct=True,
    )
    graph = build_chain(bundled, run, deep, heads, features=features, by="weighted")
    for row in some(features.rows):
        name = shallow_id(row.layer, row.neuron, row.position) if row.kind == "neuron" else token_id(row.position)
        out = [d["weight"] for _, _, d in graph.out_edges(name, data=True) if d["kind"] == "feature"]
        assert graph.nodes[name]["weight"] == pytest.approx(row.weighted)
        assert sum(out) == pytest.approx(row.weighted, rel=1e-3, abs=1e-6)  # straight into heads: one edge a head


@pytest.mark.parametrize("layer", [0, 1])
@pytest.mark.parametrize("n_shallow", [0, 3])
def test_low_heads_are_reached_straight(bundled, layer, n_shallow):
    run, deep = compare(bundled, [(layer, 0)], 10)
    graph = build_chain(bundled, run, deep, [(layer, 0)], n_shallow=n_shallow)
    assert leads_on(graph)
    assert nx.has_path(graph, token_id(1), PREDICTION)
    assert [kind for _, kind in graph.nodes(data="kind")].count("shallow") == (n_shallow if layer else 0)


def test_features_of_something_else(bundled, case):
    run, deep, heads, _ = case
    root = enhancing_of(bundled, run, deep.pairs, deep.importance_first).root
    features = find_features(bundled, run, heads, root, n=2)
    with pytest.raises(UserError, match="other neurons or heads"):
        build_chain(bundled, run, deep, heads[:1], features=features)


@pytest.mark.parametrize("nodes", [4, 7, 15, 25, 40, 1000])
@pytest.mark.parametrize("weakest", [0.0, 0.1, 1.0])
def test_a_smaller_chain_still_leads_on(case, nodes, weakest):
    *_, heads, graph = case
    small = prune(graph, nodes, weakest)
    assert len(small) == min(nodes, len(graph)) or nodes < 15
    assert len(small) <= nodes
    assert leads_on(small)
    assert {*(f"head {layer}_{head}" for layer, head in heads), PREDICTION, graph.graph["root"]} <= set(small)
    for name, data in some(small.nodes(data=True)):
        assert data == graph.nodes[name]
        if data["kind"] == "shallow":
            assert token_id(data["position"]) in small
            assert small.out_degree(name)
    assert all(data == graph.edges[a, b] for a, b, data in some(small.edges(data=True)))
    assert [n for n in graph if n in small] == list(small)
    if weakest == 0 and nodes == 1000:
        assert nx.utils.graphs_equal(small, graph)
    if weakest == 0.1:
        assert {data["kind"] for *_, data in small.edges(data=True)} >= {"predict", "answer"}


def test_the_heaviest_stay(case):
    *_, graph = case
    weight = graph.nodes(data="weight")
    small = prune(graph, 20)
    deep = [name for name, kind in graph.nodes(data="kind") if kind == "deep" and name != graph.graph["root"]]
    inside, outside = ([weight[name] for name in deep if (name in small) == there] for there in (True, False))
    assert min(inside) >= max(outside)
    for bad in {"nodes": 3}, {"weakest": -0.1}, {"weakest": 1.5}:
        with pytest.raises(UserError):
            prune(graph, **bad)


@pytest.mark.parametrize(("write", "read"), [(to_graphml, from_graphml), (to_json, from_json)])
def test_files_hold_the_graph(case, write, read):
    *_, graph = case
    for chain in graph, prune(graph):
        chain = chain.copy()
        chain.nodes[PREDICTION]["label"] = printable(' a<b>&"\n\x00\ud800é 8 ')
        chain.nodes["token 0"]["tokens"] = ""
        back = read(write(chain))
        assert nx.utils.graphs_equal(back, chain)
        assert isinstance(back, nx.DiGraph)
        assert list(back) == list(chain)
        kinds = [{k: type(v) for k, v in data.items()} for g in (back, chain) for _, data in g.nodes(data=True)]
        assert kinds[: len(chain)] == kinds[len(chain) :]
