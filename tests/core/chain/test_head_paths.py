"""The way of a head to a neuron against the model's own modules, applied forwards, and what must add up."""

import pytest
import torch

from core.chain.head_paths import head_paths
from core.chain.keys import keys_of
from core.errors import UserError
from core.forward.record import record
from tests import plain
from tests.core.chain.test_features import PROMPT, attend, scale_at, setting, write_scale
from tests.core.chain.test_pe_dag import listen
from tests.some import some


def test_route_of_a_head_adds_up(any_model):
    """All positions together are the head's own output; all earlier outputs together what it reads at a position."""
    head, root, run = setting(any_model)
    layer, h = head
    route = head_paths(any_model, run, head, root)
    keys = keys_of(any_model, run, [root]).signed[:, 0]
    d, block = any_model.d_head, any_model.modules.layers[layer]
    norm, out = any_model.modules.attention_norm(layer), plain.head_writer(any_model.model, layer)
    names = any_model.architecture.query_key_value
    value = block.get_submodule(names[-1])
    bias = value(norm.bias if getattr(norm, "bias", None) is not None else torch.zeros(any_model.d_model))
    bias = plain.values_of(any_model.model, bias, d)
    bias = bias.repeat_interleave(any_model.n_heads // len(bias), 0)
    z = run.z[layer, -1].view(-1, d) - bias  # attention weights sum to 1, so biases pass on whole
    output = torch.stack([out[:, i * d : (i + 1) * d] @ z[i] for i in range(any_model.n_heads)])
    output = output * write_scale(any_model, run, layer, -1)
    size = route.by_head.abs().max().item()
    assert torch.allclose(route.by_head.sum(1), keys @ output.T, rtol=1e-3, atol=1e-3 * size)
    assert torch.allclose(route.by_source.sum(1) * route.attention, route.by_head[:, :, h], rtol=1e-3, atol=1e-3 * size)
    assert route.sources[0] == "embedding"
    assert len(route.sources) == 1 + 2 * layer
    positions, heads, sources = route.positions_frame(), route.heads_frame(), route.sources_frame()
    assert positions.weight.argmax() == route.via
    assert len(positions) == len(run.ids)
    total = heads.set_index("head").weight[h]
    assert total == pytest.approx(positions.weight.sum(), rel=1e-3, abs=1e-3 * size)
    assert sources.weight.is_monotonic_decreasing
    assert heads.weight.is_monotonic_decreasing
    assert positions.weight_layer.sum() == pytest.approx(heads.weight.sum(), rel=1e-3, abs=1e-3 * size)


def test_an_earlier_attention_layer_has_what_it_wrote_from_these_positions(any_model):
    """Each position by hand, by the model's own linear maps without biases."""
    lm = any_model
    head, root, run = setting(lm)
    layer, h = head
    signs = torch.sign(keys_of(lm, run, [root]).scores[:, 0])
    for at in (0, len(run.ids) - 1):
        paths = head_paths(lm, run, head, root, at)
        assert paths.at == at
        assert paths.by_origin.shape == (len(signs), layer, len(run.ids))
        for j in some(range(layer)):
            for p in some(range(len(run.ids))):
                parts = attend(lm, j, run.resid_pre[j, p], scale_at(lm, run, j, p))
                moved = (run.pattern[j, :, at, p][:, None] * parts).sum(0)
                moved = attend(lm, layer, moved * write_scale(lm, run, j, at), scale_at(lm, run, layer, at))[h]
                wanted = signs * listen(lm, *root, moved * write_scale(lm, run, layer, -1))
                size = max(1.0, paths.by_origin.abs().max().item())
                assert torch.allclose(paths.by_origin[:, j, p], wanted, rtol=1e-3, atol=1e-3 * size)


def test_origins_add_up_to_the_layers_whole_weight(bundled):
    """In a model without biases."""
    run = record(bundled, bundled.encode(PROMPT))
    paths = head_paths(bundled, run, (4, 1), (6, 3))
    assert paths.at == paths.via
    whole = paths.by_source[:, 1::2, paths.at]
    assert whole.shape == (2, 4)
    assert torch.allclose(paths.by_origin.sum(-1), whole, rtol=1e-3, atol=1e-3 * whole.abs().max().item())
    best = paths.strongest_attention
    assert whole.sum(0).argmax() == best
    frame, sources = paths.origins_frame(best), paths.sources_frame().set_index("source")
    assert frame["weight"].sum() == pytest.approx(sources["weight"][f"attention {best}"], rel=1e-3)
    assert frame["token"].tolist() == paths.tokens
    assert sources.index[sources.index.str.startswith("attention")][0] == f"attention {best}"


def test_there_is_nothing_before_the_first_layer(bundled):
    run = record(bundled, bundled.encode(PROMPT))
    paths = head_paths(bundled, run, (0, 1), (6, 3))
    assert paths.by_origin.shape == (2, 0, len(run.ids))
    assert paths.strongest_attention is None
    assert paths.sources == ["embedding"]


def test_another_position_changes_nothing_but_what_is_looked_at(bundled):
    run = record(bundled, bundled.encode(PROMPT))
    first, other = (head_paths(bundled, run, (4, 1), (6, 3), at) for at in (None, 0))
    assert torch.equal(first.by_head, other.by_head)
    assert torch.equal(first.by_source, other.by_source)
    assert other.sources_frame().equals(first.sources_frame(0))


def test_what_is_not_there_is_refused(bundled):
    run = record(bundled, bundled.encode(PROMPT))
    with pytest.raises(UserError, match="reads nothing"):
        head_paths(bundled, run, (6, 1), (5, 3))
    for at in (-1, len(run.ids)):
        with pytest.raises(UserError, match="no position"):
            head_paths(bundled, run, (4, 1), (6, 3), at)
