"""One prompt looked into: the parts agree with each other and with what computes them."""

import networkx as nx
import pytest
import torch

from core.chain.case import attention_weighted, is_quick, logic_case
from core.errors import UserError
from core.heads.sweep import sweep_heads
from core.hooks import ScaleNeuron, intervene
from core.neurons.ablation_effects import single_effects
from core.neurons.compare import compare_heads
from core.progress import Stopped
from core.vocabulary.neuron_tokens import tokens_of, top_tokens
from tests.some import some


def test_a_case(any_model):
    case = logic_case(any_model, "3+5=", k=20)
    swept = sweep_heads(any_model, ["3+5="])
    assert case.from_sweep
    assert len(case.heads) == 1
    assert swept.probability[0][case.heads[0]] == swept.probability[0].min()
    assert case.neurons.pairs == compare_heads(any_model, "3+5=", case.heads, 20).pairs
    for (layer, neuron), m, tokens in some(
        list(zip(case.neurons.pairs, case.neurons.coefficient_first.tolist(), case.tokens, strict=True))[:5]
    ):
        assert tokens == top_tokens(any_model, layer, neuron, m)
    if case.chain is not None:
        assert nx.is_directed_acyclic_graph(case.chain)
        deep = {n for n, kind in case.chain.nodes(data="kind") if kind == "deep"}
        assert len(deep) == 20


def test_chosen_heads_and_target(bundled, arithmetic_heads):
    heads = arithmetic_heads[:2]
    case = logic_case(bundled, "9-2=", heads, k=9, target=7)
    assert case.heads == heads
    assert not case.from_sweep
    assert case.neurons.target == 7
    assert case.features is not None
    assert len(case.features.rows) > 5


def test_progress_and_stop(bundled):
    told = []
    logic_case(bundled, "3+5=", progress=lambda done, of: told.append(done / of))
    assert told == sorted(told)
    assert told[-1] == 1
    assert len(told) > 8

    def stop(done, of):
        if done / of > 0.5:
            raise Stopped

    with pytest.raises(Stopped):
        logic_case(bundled, "3+5=", progress=stop)


def test_bad_input(bundled):
    with pytest.raises(UserError, match="Head 8_0 does not exist"):
        logic_case(bundled, "3+5=", [(8, 0)])
    with pytest.raises(UserError, match="prompt is empty"):
        logic_case(bundled, "  ")


def test_single_effects(any_model):
    pairs, target = [(0, 3), (2, 40), (1, 1)], 9
    found = single_effects(any_model, "3+5=", pairs, target)
    ids = any_model.encode("3+5=")

    def log_p(*edits):
        with intervene(any_model, *edits):
            return torch.log_softmax(any_model.logits(ids)[-1].double(), -1)[target]

    one_by_one = torch.tensor([float(log_p() - log_p(ScaleNeuron(*pair, 0.0))) for pair in pairs])
    assert torch.allclose(found, one_by_one, atol=2e-4)


def test_tokens_of_many(bundled):
    neurons, signs = [(7, 3), (2, 5), (7, 9)], [1.0, -2.0, -0.5]
    expected = [top_tokens(bundled, layer, n, m, 4) for (layer, n), m in zip(neurons, signs, strict=True)]
    assert tokens_of(bundled, neurons, signs, 4) == expected


def test_the_attention_weighted_chain_has_the_same_deep_part(bundled):
    case = logic_case(bundled, "3+5=", [(5, 2)])
    weighted = attention_weighted(bundled, case)
    assert weighted.graph["by"] == "weighted"

    def deep(graph):
        return {
            (a, b): data["weight"] for a, b, data in graph.edges(data=True) if data["kind"] in ("enhance", "answer")
        }

    assert len(deep(weighted)) > 0
    assert deep(weighted) == deep(case.chain)


def test_a_small_model_is_quick(bundled):
    assert is_quick(bundled)
    assert is_quick(bundled, [(5, 2)])
