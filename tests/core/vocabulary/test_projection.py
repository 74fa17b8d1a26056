"""Directions in the vocabulary and through attention, against products of the plain weights, head by head."""

import pytest
import torch

from core.model.load import load_model
from core.vocabulary.projection import OVMap, project
from tests import plain


def drawn(lm, n=5):
    return torch.randn(n, lm.d_model, generator=torch.Generator().manual_seed(2)) + 0.3


def head_maps(lm, layer):
    """`W_O W_V` of each query head (head, d_model, d_model), float64."""
    d, block = lm.d_head, lm.modules.layers[layer]
    output, after = plain.weight(lm.modules.head_output(layer)), plain.norms_after(lm.model, layer)
    output = output if after is None else plain.gain(lm.model, after[0])[:, None] * output
    attention = next(getattr(block, name) for name in ("attention", "self_attn", "attn") if hasattr(block, name))
    maps = ("query_key_value", "c_attn", "qkv_proj", "v_proj")
    mixed = next(getattr(attention, name) for name in maps if hasattr(attention, name))
    units = [plain.values_of(lm.model, column, d) for column in plain.weight(mixed).T]
    value = torch.stack(units, -1)  # (kv_head, d, d_model)
    group = lm.n_heads // len(value)
    return torch.stack([output[:, h * d : (h + 1) * d] @ value[h // group] for h in range(lm.n_heads)])


def normed(lm, norm, x):
    """The norm without its scale and bias."""
    x = x.double()
    if isinstance(norm, torch.nn.LayerNorm):
        x = x - x.mean(-1, keepdim=True)
    return x * plain.gain(lm.model, norm)


def test_attention_passes_on_the_sum_over_its_heads(any_model):
    u = drawn(any_model)
    for layer in range(any_model.n_layers):
        norm = any_model.modules.attention_norm(layer)
        wanted = normed(any_model, norm, u) @ head_maps(any_model, layer).sum(0).T
        assert torch.allclose(OVMap.of(any_model, layer).carry(u).double(), wanted, atol=1e-4)


def test_pulled_back_keys_read_each_head(any_model):
    u, keys = drawn(any_model), torch.randn(3, any_model.d_model)
    for layer in range(any_model.n_layers):
        norm = any_model.modules.attention_norm(layer)
        each = torch.einsum(
            "nm,hdm->hnd", normed(any_model, norm, u), head_maps(any_model, layer)
        )  # (head, n, d_model)
        found = torch.einsum("nm,khm->khn", u, OVMap.of(any_model, layer).pull_back(keys))
        assert torch.allclose(found.double(), torch.einsum("hnd,kd->khn", each, keys.double()), atol=1e-3)


def test_tokens_stand_in_the_order_of_the_logit_lens(any_model):
    y = drawn(any_model)
    norm, out = any_model.modules.final_norm, any_model.modules.unembedding
    wanted = normed(any_model, norm, y) @ plain.weight(out).T
    found = project(any_model, y)
    assert torch.allclose(found.double(), wanted, atol=1e-4)
    if getattr(norm, "bias", None) is None and out.bias is None:  # the scale does not change the order
        lens = plain.log_probabilities(any_model.model, y.double())
        assert torch.equal(found.argmax(-1), lens.argmax(-1))


def test_sizes_and_signs_carry_through(any_model):
    u = drawn(any_model)
    assert torch.allclose(project(any_model, -2 * u), -2 * project(any_model, u), atol=1e-4)
    ov = OVMap.of(any_model, 1)
    assert torch.allclose(ov.carry(-2 * u), -2 * ov.carry(u), atol=1e-4)


@pytest.mark.parametrize("layer", [0, 2])
def test_8_bit_weights_are_nearly_the_same(checkpoints, layer):
    small, full = (load_model(checkpoints("llama"), precision=precision) for precision in ("int8", "fp32"))
    u = drawn(full)
    exact = OVMap.of(full, layer).carry(u)
    assert (OVMap.of(small, layer).carry(u) - exact).norm() / exact.norm() < 0.03
