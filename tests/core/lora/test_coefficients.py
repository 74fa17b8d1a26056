"""Coefficients with and without an adapter, on a tokenizer that writes a blank before the answer."""

import pandas as pd
import pytest
import torch

from core.lora.coefficients import coefficient_increase, coefficients_with
from core.lora.prune import find_to_keep
from core.model.load import load_model
from core.neurons import compare_models
from core.prompts.arithmetic import Prompt, make_prompts
from tests.some import some
from tests.told_models import BLANK, EIGHT, predicting

KS = (6, 3)


@pytest.fixture
def pair(tmp_path):
    """A Llama that writes a blank and then 8 after every prompt, and the same with other neurons."""
    lm = predicting(tmp_path / "base", {BLANK: EIGHT}, n_context=20)
    draw = torch.Generator().manual_seed(0)
    for name in ("base", "other"):
        layer = lm.model.model.layers[0]
        with torch.no_grad():
            layer.post_attention_layernorm.weight.fill_(1.0)
            for linear in (layer.mlp.gate_proj, layer.mlp.up_proj, layer.mlp.down_proj):
                linear.weight.copy_(0.05 * torch.randn(linear.weight.shape, generator=draw))
        lm.model.save_pretrained(tmp_path / name)
        lm.tokenizer.save_pretrained(tmp_path / name)
    return tuple(load_model(tmp_path / name, "fp32") for name in ("base", "other"))


def test_no_target_is_the_blank(pair):
    """Every one of 40 prompts is read behind the blank, where the answer is predicted, and not before it."""
    lm, other = pair
    prompts = [p.text for p in make_prompts(["+"], count=40)]
    assert len(prompts) == 40
    assert [coefficients_with(lm, {}, p, 3).target for p in some(prompts)] == [EIGHT] * 40
    behind = [[*lm.encode(p), BLANK] for p in prompts]
    found = coefficient_increase(lm, {0: other}, prompts, KS).points
    assert found["prompts"].eq(40).all()
    pd.testing.assert_frame_equal(found, coefficient_increase(lm, {0: other}, behind, KS).points)
    before = coefficient_increase(lm, {0: other}, [ids[:-1] for ids in behind], KS).points
    assert (found["increase"] - before["increase"]).abs().min() > 0.01


def test_the_neurons_to_keep_are_found_behind_the_blank(pair):
    """One ranking for each digit and direction; none for the blank."""
    lm, other = pair
    prompts = [Prompt("+", 3, 5, 1, "digits", 3), Prompt("+", 41, 47, 2, "digits", 3)]
    found = find_to_keep(lm, other, 0, 5, prompts)
    assert found.measured == 3
    wanted = []
    for prompt in prompts:
        ids = [*lm.encode(prompt.text), BLANK]
        for digit in prompt.answer:
            token = lm.encode(digit)[-1]
            for models in (pair, pair[::-1]):
                c = compare_models(*models, ids, 5, target=token)
                wanted.append([p for p, change in zip(c.pairs, c.change.tolist(), strict=True) if change > 0])
            ids.append(token)
    assert found.rankings == wanted
    assert len(wanted) == 6
