"""Linear maps as the analyses read them, against the model's own."""

import pytest
import torch

from core.model.linear_maps import out_in
from core.model.load import load_model
from core.model.weights import columns, on_device, rows, value_map, values
from tests import plain
from tests.some import some


def test_maps_read_as_out_by_in(any_model):
    modules = any_model.modules
    heads, neurons = modules.head_output(1), modules.neuron_output(1)
    assert out_in(heads, heads.weight).shape == (any_model.d_model, any_model.n_heads * any_model.d_head)
    assert out_in(neurons, neurons.weight).shape == (any_model.d_model, any_model.n_neurons)
    for keys in some(modules.neuron_input(1)):
        rows = keys.of(range(any_model.n_neurons))
        assert out_in(keys.module, keys.module.weight)[rows].shape == (any_model.n_neurons, any_model.d_model)


@pytest.mark.parametrize("kind", ["gpt2", "phi3", "gemma2"])
def test_8_bit_maps_are_read_alike(checkpoints, kind):
    """Before and after the first run, which moves the codes; GPT-2's maps are turned round when they are quantised."""
    full, small = (load_model(checkpoints(kind), precision=precision) for precision in ("fp32", "int8"))
    for _ in range(2):
        for exact, coded in (
            (values(full, 1), values(small, 1)),
            (value_map(full, 1), value_map(small, 1)),
            *((rows(k.module, k.of([3, 40])), rows(q.module, q.of([3, 40]))) for k, q in keys_of_layer(full, small)),
        ):
            assert (exact - coded).abs().max() < 0.01 * exact.abs().max()
        assert torch.isfinite(small.logits([5, 9, 4])).all()


def keys_of_layer(*models):
    return zip(*(lm.modules.neuron_input(1) for lm in models), strict=True)


def test_what_a_map_writes_has_the_gain_of_the_norm_after_it(any_model):
    for layer in some(range(any_model.n_layers)):
        wanted = plain.values(any_model.model, layer).float()
        assert torch.allclose(values(any_model, layer), wanted, atol=1e-6)
        writer = any_model.modules.neuron_writer(layer)
        assert torch.allclose(columns(writer, [7, 0]), wanted[[7, 0]].T, atol=1e-6)
        assert torch.allclose(rows(writer, [3, 1]), wanted.T[[3, 1]], atol=1e-6)
        after = plain.norms_after(any_model.model, layer)
        gain = 1.0 if after is None else plain.gain(any_model.model, after[0]).float()[:, None]
        heads = gain * plain.weight(any_model.modules.head_output(layer)).float()
        assert torch.allclose(on_device(any_model.modules.head_writer(layer)), heads, atol=1e-6)
