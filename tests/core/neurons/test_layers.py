"""Recordings, layer increase and the lens against plain computations."""

import pytest
import torch

from core.errors import UserError
from core.forward.record import record
from core.hooks import ScaleHead, intervene
from core.model.unembed import Unembedding
from core.model.weights import values
from core.neurons.layers import increase_of, layer_increase, lens_of
from tests import plain

PROMPT = "3+5="


def test_recording_adds_up(any_model):
    run = record(any_model, any_model.encode(PROMPT))
    after = run.resid_pre + run.attention_out + run.ffn_out
    assert torch.allclose(after[:-1], run.resid_pre[1:], atol=1e-4)
    assert torch.allclose(after[-1], run.resid_post, atol=1e-4)
    assert torch.allclose(run.logits, any_model.logits(run.ids), atol=1e-6)
    assert run.pattern.shape == (3, 4, 5, 5)
    assert torch.allclose(run.pattern.sum(-1), torch.ones(3, 4, 5), atol=1e-5)
    for layer in range(3):
        output, neurons = any_model.modules.head_output(layer), any_model.modules.neuron_output(layer)
        norms = plain.norms_after(any_model.model, layer) or (torch.nn.Identity(), torch.nn.Identity())
        assert torch.allclose(norms[0](output(run.z[layer])), run.attention_out[layer], atol=1e-4)
        assert torch.allclose(norms[1](neurons(run.coefficient[layer])), run.ffn_out[layer], atol=1e-4)
        for position in range(5):  # biases aside, what the neurons write is what the FFN adds
            factor = run.coefficient[layer, position] * run.ffn_scale[layer, position]
            bias = 0 if neurons.bias is None else neurons.bias
            assert torch.allclose(factor @ values(any_model, layer) + bias, run.ffn_out[layer, position], atol=1e-4)


def test_recording_inside_an_intervention(bundled):
    ids = bundled.encode(PROMPT)
    with intervene(bundled, ScaleHead(4, 3, 0.0)):
        run = record(bundled, ids)
        assert torch.allclose(run.logits, bundled.logits(ids))
    d = bundled.d_head
    assert run.z[4, :, 3 * d : 4 * d].eq(0).all()
    plain = record(bundled, ids)
    assert torch.equal(plain.resid_pre[:5], run.resid_pre[:5])
    assert not torch.equal(plain.resid_pre[5], run.resid_pre[5])


def test_readout_of_the_final_output_is_the_prediction(any_model):
    run = record(any_model, any_model.encode(PROMPT))
    unembedding = Unembedding.of(any_model)
    wanted = torch.log_softmax(run.logits, -1)
    assert torch.allclose(unembedding.lens(run.resid_post), wanted, atol=1e-4)
    frozen = unembedding.log_probabilities(run.resid_post[-1], unembedding.scale(run.resid_post[-1]))
    assert torch.allclose(frozen, wanted[-1], atol=1e-4)


def test_increases_telescope(any_model):
    """With one frozen scale, a sequential model's increases add up to log p(out) - log p(embedding)."""
    run = record(any_model, any_model.encode(PROMPT))
    increase = increase_of(any_model, run)
    unembedding = Unembedding.of(any_model)
    scale = unembedding.scale(run.resid_post[-1])
    first = unembedding.log_probabilities(run.resid_pre[0, -1], scale)[increase.target]
    last = torch.log_softmax(run.logits[-1], -1)[increase.target]
    total = increase.attention.sum() + increase.ffn.sum()
    assert torch.allclose(total, last - first, atol=1e-3)
    assert increase.probability == pytest.approx(last.exp().item(), abs=1e-5)


def test_frame_and_chosen_target(bundled):
    nine = bundled.tokenizer.convert_tokens_to_ids("9")
    increase = layer_increase(bundled, PROMPT, target=nine)
    frame = increase.to_frame()
    assert increase.target == nine
    assert len(frame) == 2 * bundled.n_layers
    assert frame[(frame.layer == 3) & (frame.module == "FFN")].increase.item() == pytest.approx(increase.ffn[3].item())
    with pytest.raises(UserError):
        layer_increase(bundled, PROMPT, target=10**6)


def test_lens_ends_in_the_prediction(bundled):
    run = record(bundled, bundled.encode(PROMPT))
    lens = lens_of(bundled, run)
    assert len(lens.token) == bundled.n_layers + 1
    assert lens.token[-1] == int(run.logits[-1].argmax())
    assert lens.probability[-1].item() == pytest.approx(torch.softmax(run.logits[-1], -1).max().item(), abs=1e-4)


def test_intervened_increases_are_measured_against_the_original(bundled, arithmetic_heads):
    """Same token, same scale: the sum of both runs' increases differs by what the final states differ."""
    run = record(bundled, bundled.encode("34+28="))
    with intervene(bundled, *(ScaleHead(*head, 0.0) for head in arithmetic_heads[:2])):
        off = record(bundled, run.ids)
    increase = increase_of(bundled, off, original=run)
    assert increase.target == int(run.logits[-1].argmax())
    unembedding = Unembedding.of(bundled)
    scale = unembedding.scale(run.resid_post[-1])
    states = torch.stack([off.resid_pre[0, -1], off.resid_post[-1]])
    first, last = unembedding.log_probabilities(states, scale)[:, increase.target]
    assert torch.allclose(increase.attention.sum() + increase.ffn.sum(), last - first, atol=1e-3)
