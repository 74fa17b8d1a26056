"""Feature enhancing and the head's route against the model's own modules, applied forwards."""

import pytest
import torch

from core.chain.features import find_features
from core.chain.head_paths import head_paths
from core.chain.keys import keys_of
from core.chain.paths import paths_to
from core.errors import UserError
from core.forward.record import record
from core.progress import Stopped
from core.vocabulary.neuron_tokens import top_tokens
from core.vocabulary.projection import OVMap
from tests import plain
from tests.core.chain.test_pe_dag import listen
from tests.some import some

PROMPT = "3+5="


def setting(lm):
    """A head, and a neuron that reads it: parallel layers need one layer between."""
    head, root = ((1, 1), (2, 31)) if lm.modules.parallel else ((2, 1), (2, 31))
    return head, root, record(lm, lm.encode(PROMPT))


def attend(lm, layer, x, scale, biased=False):
    """One vector through the value and output maps, head by head (head, d_model), by the model's own linear maps."""
    norm, block, d = lm.modules.attention_norm(layer), lm.modules.layers[layer], lm.d_head
    if lm.architecture.norm == "layer":
        x = x - x.mean()
    normed = plain.gain(lm.model, norm).float() * x * scale
    names = lm.architecture.query_key_value
    value = block.get_submodule(names[-1])
    v = value(normed) if biased else value(normed) - value(torch.zeros_like(normed))
    v = plain.values_of(lm.model, v, d)
    v = v.repeat_interleave(lm.n_heads // len(v), 0)
    out = plain.head_writer(lm.model, layer)
    results = []
    for head in range(lm.n_heads):
        z = torch.zeros(lm.n_heads, d)
        z[head] = v[head]
        results.append(out @ z.flatten())
    return torch.stack(results)


def scale_at(lm, run, layer, position):
    x = run.resid_pre[layer, position]
    return 1 / (x.var(correction=0) if lm.architecture.norm == "layer" else x.square().mean()).add(norm_eps(lm)).sqrt()


def write_scale(lm, run, layer, position):
    """What the norm after attention scales by there; 1 where there is none."""
    after = plain.norms_after(lm.model, layer)
    if after is None:
        return 1.0
    raw = plain.weight(lm.modules.head_output(layer)).float() @ run.z[layer, position]
    return 1 / (raw.square().mean() + plain.eps(after[0])).sqrt()


def norm_eps(lm):
    norm = lm.modules.attention_norm(0)
    return getattr(norm, "variance_epsilon", None) or norm.eps


def score_by_hand(lm, run, x, position, through, head, root, via, weighted=False):
    """(map) what the root hears of x, by applying the maps one after the other."""
    layer, h = head
    signs = torch.sign(keys_of(lm, run, [root]).scores[:, 0])

    def arrive(part, q):
        brought = attend(lm, layer, part, scale_at(lm, run, layer, q))[h] * write_scale(lm, run, layer, -1)
        return signs * listen(lm, *root, brought)

    to_last = run.pattern[layer, h, -1]
    if through is None:
        return arrive(x, position) * (to_last[position] if weighted else 1)
    parts = attend(lm, through, x, scale_at(lm, run, through, position))  # (head, d_model)
    if not weighted:
        return arrive(parts.sum(0) * write_scale(lm, run, through, via), via)
    total = torch.zeros(len(signs))
    for q in range(position, len(run.ids)):
        moved = (run.pattern[through, :, q, position][:, None] * parts).sum(0)
        total = total + to_last[q] * arrive(moved * write_scale(lm, run, through, q), q)
    return total


@pytest.mark.parametrize("by", ["score", "weighted"])
@pytest.mark.parametrize("direct", [False, True])
def test_scores_are_the_maps_applied_forwards(any_model, by, direct):
    lm = any_model
    head, root, run = setting(lm)
    via = head_paths(lm, run, head, root).via
    found = find_features(lm, run, [head], root, n=6, by=by, direct=direct)
    assert found.to_frame()[by].is_monotonic_decreasing
    kinds = {row.kind for row in found.rows}
    assert kinds == ({"embedding"} if lm.modules.parallel and not direct else {"embedding", "neuron"})
    for row in some(found.rows):
        x = run.resid_pre[0, row.position]
        if row.kind == "neuron":
            m = run.coefficient[row.layer, row.position, row.neuron]
            assert row.coefficient == m
            x = plain.written(lm.model, row.layer, run.coefficient[row.layer, row.position])[row.neuron].float()
        at = (lm, run, x, row.position, row.through, head, root, via)
        wanted = torch.cat([score_by_hand(*at), score_by_hand(*at, weighted=True)])
        got = [row.score_up, row.score_gate, row.weighted_up, row.weighted_gate]
        got = torch.tensor(got if len(wanted) == 4 else got[::2])
        assert torch.allclose(got, wanted, rtol=1e-3, atol=1e-3 * max(1.0, wanted.abs().max().item()))
        assert row.attention == run.pattern[head[0], head[1], -1, row.position]


def test_the_best_are_found(reference):
    """The ranking equals all neurons, positions and attention layers, scored one by one."""
    lm, head = reference, (2, 1)
    root, run = (lm.n_layers - 1, 5), record(lm, [1, 9, 4, 30])
    via = head_paths(lm, run, head, root).via
    found = [r for r in find_features(lm, run, [head], root, n=5).rows if r.kind == "neuron"]
    everything = []
    for layer, through in [(0, 1)]:
        for position in range(len(run.ids)):
            heard = []
            for unit in torch.eye(lm.d_model):  # linear: one forward pass a dimension
                heard.append(score_by_hand(lm, run, unit, position, through, head, root, via).sum())
            values = lm.modules.neuron_output(layer).weight.T * run.coefficient[layer, position][:, None]
            scores = values @ torch.stack(heard)
            everything += [(s, layer, n, position) for n, s in enumerate(scores.tolist())]
    wanted = sorted(everything, reverse=True)[:5]
    assert [(r.layer, r.neuron, r.position) for r in found] == [spot[1:] for spot in wanted]
    assert torch.allclose(torch.tensor([r.score for r in found]), torch.tensor([s for s, *_ in wanted]), rtol=1e-3)


def test_pulled_back_equals_carried_forwards(any_model):
    torch.manual_seed(0)
    keys, x = torch.randn(2, any_model.d_model), torch.randn(5, any_model.d_model)
    for layer in range(any_model.n_layers):
        pulled = OVMap.of(any_model, layer).pull_back(keys)  # (key, head, d_model)
        forwards = OVMap.of(any_model, layer).carry(x)  # (n, d_model)
        assert torch.allclose(x @ pulled.sum(1).T, forwards @ keys.T, rtol=1e-3, atol=1e-2)
        parts = torch.stack([attend(any_model, layer, one, 1.0) for one in x])  # (n, head, d_model)
        assert torch.allclose(
            torch.einsum("nd,khd->nkh", x, pulled), torch.einsum("nhd,kd->nkh", parts, keys), rtol=1e-3, atol=1e-2
        )
        assert torch.allclose(forwards, parts.sum(1), rtol=1e-3, atol=1e-2)


def test_one_token_has_nowhere_else_to_look(any_model):
    """With a single position all attention weights are 1: what would arrive does arrive."""
    run = record(any_model, [5])
    head, root, _ = setting(any_model)
    for row in some(find_features(any_model, run, [head], root, n=5, direct=True).rows):
        assert row.score == pytest.approx(row.weighted, rel=1e-4, abs=1e-5)
        assert row.attention == 1.0


def test_heads_add_up(bundled):
    root, run = (bundled.n_layers - 1, 5), record(bundled, bundled.encode(PROMPT))
    heads = [(2, 1), (4, 2), (4, 3)]
    keys = keys_of(bundled, run, [root]).signed[:, 0]
    together = paths_to(bundled, run, heads, keys, direct=True)
    alone = [route for head in heads for route in paths_to(bundled, run, [head], keys, direct=True)]
    for by in ("score", "weighted"):
        for layer in range(-1, 4):
            for through in [None, *range(layer + 1, 4)]:
                both, single = (
                    sum(r.vectors(by) for r in routes if r.through == through and layer in r.layers)
                    for routes in (together, alone)
                )
                assert torch.allclose(both, single, rtol=1e-4, atol=1e-6)
    assert len([r for r in together if r.through is None and 0 in r.layers]) == 1


def test_tokens_before_and_after(bundled):
    root, run = (bundled.n_layers - 1, 5), record(bundled, bundled.encode(PROMPT))
    found = find_features(bundled, run, [(4, 1)], root, n=4, k_tokens=6)
    neurons = [row for row in found.rows if row.kind == "neuron"]
    for row in some(neurons):
        m = row.coefficient
        assert row.tokens_before == top_tokens(bundled, row.layer, row.neuron, coefficient=m, k=6)
        assert row.tokens_after == top_tokens(bundled, row.layer, row.neuron, coefficient=m, k=6, through=row.through)
        assert row.layer < row.through < 4
    words = [row for row in found.rows if row.kind == "embedding"]
    assert sorted(row.position for row in words) == list(range(len(run.ids)))
    frame = found.to_frame()
    assert len(neurons) == 4
    assert len(frame) == len(found.rows)
    assert "word 3" in set(frame.name)
    assert frame.score.tolist() == pytest.approx((frame.score_up + frame.score_gate).tolist())
    only = find_features(bundled, run, [(4, 1)], root, layers=[2], n=4)
    assert {row.layer for row in only.rows} == {2, -1}


def test_stop_and_errors(bundled):
    root, run = (5, 3), record(bundled, bundled.encode(PROMPT))

    def stop(done, total):
        raise Stopped

    with pytest.raises(Stopped):
        find_features(bundled, run, [(4, 1)], root, progress=stop)
    with pytest.raises(UserError, match="reads nothing"):
        find_features(bundled, run, [(6, 1)], root)
    for kwargs in {"layers": [4]}, {"layers": [-1]}, {"n": -1}, {"k_tokens": 0}:
        with pytest.raises(UserError):
            find_features(bundled, run, [(4, 1)], root, **kwargs)
    for heads in [], [(4, 99)]:
        with pytest.raises(UserError):
            find_features(bundled, run, heads, root)
    assert find_features(bundled, run, [(6, 1), (4, 1)], root).heads == [(4, 1)]  # what the root reads
