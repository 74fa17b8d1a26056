"""Norms with a frozen scale, against the model's own norm modules."""

import torch

from core.model.norms import before_norm, frozen_scale
from tests import plain
from tests.some import some


def norms_of(lm):
    layers = range(lm.n_layers)
    return [*map(lm.modules.attention_norm, layers), *map(lm.modules.ffn_norm, layers), lm.modules.final_norm]


def perturbed(lm):
    """Weights and biases of norms are random, so that leaving one out shows."""
    for norm in some(norms_of(lm)):
        assert norm.weight.std() > 0.05


def by_hand(lm, norm, x, scale):
    """`g * x * scale`, centred where the norm is a LayerNorm; without bias."""
    if isinstance(norm, torch.nn.LayerNorm):
        x = x - x.mean(-1, keepdim=True)
    return plain.gain(lm.model, norm).float() * x * scale[..., None]


def test_the_frozen_scale_is_the_norms_own(any_model):
    perturbed(any_model)
    x = torch.randn(3, 5, any_model.d_model, generator=torch.Generator().manual_seed(1)) * 2 + 0.7
    for norm in some(norms_of(any_model)):
        normed = by_hand(any_model, norm, x, frozen_scale(any_model, norm, x))
        bias = getattr(norm, "bias", None)
        assert torch.allclose(normed + (0 if bias is None else bias), norm(x), atol=1e-5)


def test_the_scale_does_not_ask_for_the_size_of_a_batch_or_its_dtype(any_model):
    norm = any_model.modules.final_norm
    x = torch.randn(4, any_model.d_model)
    together = frozen_scale(any_model, norm, x)
    alone = torch.stack([frozen_scale(any_model, norm, row) for row in x])
    assert torch.allclose(together, alone, rtol=1e-6)
    assert frozen_scale(any_model, norm, x.half()).dtype == torch.float32


def test_keys_before_the_norm_give_the_inner_product_after_it(any_model):
    x, keys = torch.randn(6, any_model.d_model) + 0.4, torch.randn(3, any_model.d_model)
    for norm in some(norms_of(any_model)):
        scale = frozen_scale(any_model, norm, x)
        after = by_hand(any_model, norm, x, scale) @ keys.T
        before = scale[:, None] * (x @ before_norm(any_model, norm, keys).T)
        assert torch.allclose(before, after, atol=1e-4)


def test_parts_of_an_input_add_up(any_model):
    """With the whole's scale, what the norm makes of two parts is what it makes of their sum."""
    norm = any_model.modules.ffn_norm(1)
    a, b = torch.randn(2, any_model.d_model)
    key = before_norm(any_model, norm, torch.randn(any_model.d_model))
    scale = frozen_scale(any_model, norm, a + b)
    assert torch.allclose(scale * (a @ key) + scale * (b @ key), scale * ((a + b) @ key), atol=1e-4)
