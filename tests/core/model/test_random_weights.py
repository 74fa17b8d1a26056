"""The control with random weights: same shape, same tokens, other weights, and nothing left behind."""

import copy

import pytest
import torch

from core.errors import UserError
from core.model import random_weights as module
from core.model.load import load_model
from core.model.random_weights import random_weights
from tests.some import some


def test_shape_and_tokens_are_the_same_and_the_weights_are_not(any_model):
    before = copy.deepcopy(any_model.model.state_dict())
    with random_weights(any_model, 1) as drawn:
        shapes = {name: tensor.shape for name, tensor in drawn.model.state_dict().items()}
        assert shapes == {name: tensor.shape for name, tensor in before.items()}
        assert drawn.tokenizer is any_model.tokenizer
        assert (drawn.dtype, drawn.precision, drawn.device) == (any_model.dtype, "fp32", any_model.device)
        assert drawn.encode("3+5=") == any_model.encode("3+5=")
        matrix = drawn.modules.ffn(0).state_dict()
        trained = any_model.modules.ffn(0).state_dict()
        assert not any(torch.equal(matrix[name], trained[name]) for name in some(n for n in matrix if "bias" not in n))
        assert drawn.logits(drawn.encode("3+5=")).isfinite().all()
        assert not drawn.model.training
        assert not any(parameter.requires_grad for parameter in drawn.model.parameters())
    for name, tensor in some(any_model.model.state_dict().items()):
        assert torch.equal(tensor, before[name])


def test_weights_are_spread_as_before_training(bundled):
    with random_weights(bundled) as drawn:
        deviation = drawn.modules.neuron_output(0).weight.std().item()
    assert deviation == pytest.approx(bundled.model.config.initializer_range, rel=0.05)


def test_the_seed_gives_the_weights_and_leaves_other_random_numbers_alone(bundled):
    torch.manual_seed(5)
    expected = torch.rand(3)
    torch.manual_seed(5)
    seen = []
    for seed in (0, 0, 1):
        with random_weights(bundled, seed) as drawn:
            seen.append(drawn.logits(drawn.encode("3+5=")))
    assert torch.equal(seen[0], seen[1])
    assert not torch.allclose(seen[0], seen[2], atol=1e-3)
    assert torch.equal(torch.rand(3), expected)


def test_its_weights_are_gone_afterwards(bundled):
    with random_weights(bundled) as drawn:
        pass
    assert {parameter.device.type for parameter in drawn.model.parameters()} == {"meta"}
    with pytest.raises(RuntimeError, match="on the way"), random_weights(bundled) as drawn:
        raise RuntimeError("on the way")
    assert {parameter.device.type for parameter in drawn.model.parameters()} == {"meta"}
    assert {parameter.device.type for parameter in bundled.model.parameters()} == {"cpu"}


def test_no_room_for_a_second_model(bundled, monkeypatch):
    size = 4 * sum(parameter.numel() for parameter in bundled.model.parameters())
    monkeypatch.setattr(module, "free_memory", lambda device: size)
    with pytest.raises(UserError, match="beside the first"), random_weights(bundled):
        pass
    monkeypatch.setattr(module, "free_memory", lambda device: int(1.2 * size))
    with random_weights(bundled) as drawn:
        assert drawn.n_layers == bundled.n_layers


@pytest.mark.parametrize("precision", ["bf16", "fp16"])
def test_half_precision(checkpoints, precision):
    lm = load_model(checkpoints("grouped-query"), precision=precision)
    with random_weights(lm) as drawn:
        assert drawn.precision == precision
        assert drawn.dtype == lm.dtype
        assert drawn.logits(drawn.encode("3+5=")).isfinite().all()


def test_a_model_of_eight_bits_has_a_control_in_half_precision(checkpoints):
    lm = load_model(checkpoints("llama"), precision="int8")
    with random_weights(lm) as drawn:
        assert drawn.precision == "fp16"
        assert {parameter.dtype for parameter in drawn.model.parameters()} == {torch.float16}
        assert drawn.logits(drawn.encode("3+5=")).isfinite().all()
