"""Comparing every neuron between two runs: against plain products, and the exact top against all."""

import pytest
import torch
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from transformers import LlamaConfig, LlamaForCausalLM

from core.errors import UserError
from core.forward.record import record
from core.hooks import ScaleHead, intervene
from core.model.architectures import architecture_of
from core.model.load import LoadedModel
from core.neurons.compare import compare_heads, compare_prompts
from tests import plain

FIELDS = (
    "layer",
    "neuron",
    "change",
    "importance_first",
    "importance_second",
    "coefficient_first",
    "coefficient_second",
)


def same(all_of_them, top, k):
    return all(torch.equal(getattr(all_of_them, name)[:k], getattr(top, name)) for name in FIELDS)


def test_against_plain_products(any_model):
    c = compare_heads(any_model, "3+5=", [(1, 2), (1, 0)])
    ids = any_model.encode("3+5=")
    run = record(any_model, ids)
    with intervene(any_model, ScaleHead(1, 2, 0.0), ScaleHead(1, 0, 0.0)):
        off = record(any_model, ids)
    by_hand = [plain.run(any_model.model, ids, heads) for heads in ([], [(1, 2), (1, 0)])]
    where = c.layer, c.neuron
    assert c.target == int(run.logits[-1].argmax())
    for side, one in zip((c.importance_first, c.importance_second), by_hand, strict=True):
        wanted = plain.importances(any_model.model, one, c.target, by_hand[0])[where]
        assert torch.allclose(side, wanted, atol=1e-5, rtol=1e-5)
    assert torch.equal(c.coefficient_second, off.coefficient[:, -1][where])
    assert torch.equal(c.change.sort(descending=True, stable=True).values, c.change)
    assert bool((c.change[c.layer < 1] == 0).all())
    assert c.probability_first == pytest.approx(float(torch.softmax(run.logits[-1], -1)[c.target]))


@pytest.mark.parametrize("k", [1, 7, 99, 143])
def test_exact_top(any_model, k):
    heads = [(2, 1)]
    assert same(compare_heads(any_model, "3+5=", heads), compare_heads(any_model, "3+5=", heads, k), k)
    prompts = "A woman works as a", "A man works as a"
    assert same(compare_prompts(any_model, *prompts), compare_prompts(any_model, *prompts, k=k), k)


def test_bundled_needs_few_full_vocabularies(bundled, arithmetic_head):
    for prompt in ("3+5=", "9-2=", "6*7="):
        c = compare_heads(bundled, prompt, [arithmetic_head], 99)
        assert same(compare_heads(bundled, prompt, [arithmetic_head]), c, 99)
        assert c.by_full_vocabulary <= 3 * 99
        assert c.compared == 4096


def random_model(seed: int, size: float, twins: bool, tokenizer) -> LoadedModel:
    """A Llama of one's own, with weights of any size; twins are neurons that tie."""
    torch.manual_seed(seed)
    config = LlamaConfig(
        vocab_size=1036,
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=20,
        max_position_embeddings=32,
        attn_implementation="eager",
    )
    model = LlamaForCausalLM(config).eval().requires_grad_(False)
    for parameter in model.parameters():
        torch.nn.init.normal_(parameter, std=size)
    if twins:
        for layer in model.model.layers:
            for linear in (layer.mlp.gate_proj, layer.mlp.up_proj):
                linear.weight[10:] = linear.weight[:10]
            layer.mlp.down_proj.weight[:, 10:] = layer.mlp.down_proj.weight[:, :10]
    name = f"random {seed} {size} {twins}"
    return LoadedModel(name, name, None, "fp32", model, tokenizer, architecture_of("llama"))


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    seed=st.integers(0, 10**6),
    size=st.sampled_from([0.05, 0.2, 0.5, 1.0, 3.0]),
    twins=st.booleans(),
    k=st.integers(1, 60),
    layer=st.integers(0, 2),
    head=st.integers(0, 2),
    target=st.integers(0, 1035),
)
def test_exact_top_of_random_models(bundled, seed, size, twins, k, layer, head, target):
    lm = random_model(seed, size, twins, bundled.tokenizer)
    everything = compare_heads(lm, "3+5=", [(layer, head)], target=target)
    assert same(everything, compare_heads(lm, "3+5=", [(layer, head)], k, target), k)


def test_frame(bundled, arithmetic_head):
    f = compare_heads(bundled, "3+5=", [arithmetic_head], 10).to_frame()
    assert list(f.columns) == [
        "layer",
        "neuron",
        "change",
        "importance_first",
        "importance_second",
        "coefficient_first",
        "coefficient_second",
    ]
    assert len(f) == 10
    assert f["change"].is_monotonic_decreasing


def test_int8(checkpoints):
    from core.model.load import load_model

    lm = load_model(checkpoints("llama"), precision="int8")
    assert same(compare_heads(lm, "3+5=", [(1, 1)]), compare_heads(lm, "3+5=", [(1, 1)], 9), 9)


def test_bad_input(bundled):
    with pytest.raises(UserError, match="Choose at least one head"):
        compare_heads(bundled, "3+5=", [])
    with pytest.raises(UserError, match="Head 9_0 does not exist"):
        compare_heads(bundled, "3+5=", [(9, 0)])
    with pytest.raises(UserError, match="choose 1 to 4096"):
        compare_heads(bundled, "3+5=", [(0, 0)], k=0)
    with pytest.raises(UserError, match="outside this model's vocabulary"):
        compare_prompts(bundled, "3+5=", "3+4=", target=10**6)
