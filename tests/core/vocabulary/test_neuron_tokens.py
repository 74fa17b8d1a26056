"""Neurons read in the vocabulary, against the authors' code and plain loops."""

from dataclasses import replace

import pytest
import torch

from core.errors import UserError
from core.forward.record import record
from core.hooks import ScaleHead, intervene
from core.model.load import load_model
from core.model.unembed import Unembedding
from core.model.weights import matrix, values
from core.vocabulary.concepts import concept_tokens
from core.vocabulary.neuron_tokens import both_sides, find_shallow_neurons, tokens_of, top_tokens
from core.vocabulary.projection import OVMap, project
from tests import plain
from tests.core.test_reference import CASES
from tests.some import some


@pytest.mark.parametrize("case", CASES, ids=lambda c: c["prompt"])
def test_importances_and_coefficients_of_the_authors_code(reference, case):
    ids = reference.encode(case["prompt"])
    run = record(reference, ids)
    layer, head = map(int, case["top_head"].split("_"))
    with intervene(reference, ScaleHead(layer, head, 0.0)):
        off = record(reference, ids)
    by_hand = [plain.run(reference.model, ids, heads) for heads in ((), [(layer, head)])]
    names = [("importance", "coef"), ("importance_inv", "coef_inv")]
    for recording, one, (imp, coef) in zip((run, off), by_hand, names, strict=True):
        dense = plain.importances(reference.model, one, case["predict_index"], by_hand[0])
        assert torch.allclose(dense, torch.tensor(case[imp]), atol=2e-5)
        theirs = torch.tensor(case[coef])
        assert (recording.coefficient[:, -1] - theirs).abs().max() <= 2e-5 * theirs.abs().max()
    for (layer, neuron, _), tokens in some(zip(case["top_neurons"], case["top_tokens"], strict=False)):
        m = float(run.coefficient[layer, -1, neuron])
        mine = top_tokens(reference, layer, neuron, coefficient=m)
        assert mine == [reference.token(t) for t in tokens]


def test_importance_is_of_the_neurons_layer(any_model):
    """Importance of single neurons by hand, on every architecture."""
    run = record(any_model, any_model.encode("3+5="))
    unembedding = Unembedding.of(any_model)
    scale, target = unembedding.scale(run.resid_post[-1]), int(run.logits[-1].argmax())
    dense = plain.importances(any_model.model, plain.run(any_model.model, run.ids), target)
    for layer, neuron in [(0, 3), (1, 17), (2, 40)]:
        r = run.resid_pre[layer, -1] + run.attention_out[layer, -1]
        written = plain.written(any_model.model, layer, run.coefficient[layer, -1])[neuron].float()
        with_it = unembedding.log_probabilities(r + written, scale)[target]
        without = unembedding.log_probabilities(r, scale)[target]
        assert dense[layer, neuron].item() == pytest.approx((with_it - without).item(), abs=1e-4)


def test_the_map_is_what_attention_does(any_model):
    """With all attention on one token, a layer's output is W_O W_V of the normed token (and biases)."""
    for layer in range(any_model.n_layers):
        x = torch.randn(any_model.d_model)
        run = record(any_model, [0])  # a single token looks only at itself
        normed = any_model.modules.attention_norm(layer)(run.resid_pre[layer, 0])
        other = any_model.modules.attention_norm(layer)(x)
        norm_done = replace(OVMap.of(any_model, layer), weight=torch.ones(any_model.d_model), centered=False)
        difference = norm_done.carry(normed - other)
        block = any_model.modules.layers[layer]
        names = any_model.architecture.query_key_value
        if len(names) == 3:
            group = any_model.n_heads * any_model.d_head // block.get_submodule(names[2]).out_features

            def attend(n, block=block, names=names, layer=layer, group=group):
                v = block.get_submodule(names[2])(n).view(-1, any_model.d_head)
                return any_model.modules.head_output(layer)(v.repeat_interleave(group, 0).flatten())

            after = plain.norms_after(any_model.model, layer)
            gain = 1.0 if after is None else plain.gain(any_model.model, after[0]).float()
            assert torch.allclose(gain * (attend(normed) - attend(other)), difference, atol=1e-4)
            written = attend(normed) if after is None else after[0](attend(normed))
            assert torch.allclose(written, run.attention_out[layer, 0], atol=1e-4)
        else:
            bias = run.attention_out[layer, 0] - norm_done.carry(normed)
            again = record(any_model, [5])
            normed5 = any_model.modules.attention_norm(layer)(again.resid_pre[layer, 0])
            wanted = again.attention_out[layer, 0]
            assert torch.allclose(norm_done.carry(normed5) + bias, wanted, atol=1e-3)


def test_int8_weights_are_read_before_and_after_a_run(checkpoints):
    lm = load_model(checkpoints("llama"), "int8")
    exact = load_model(checkpoints("llama"), "fp32")
    before = values(lm, 1)
    lm.logits([0, 5])
    assert torch.allclose(before, values(lm, 1))
    assert torch.allclose(before, values(exact, 1), atol=0.02)
    assert torch.allclose(matrix(lm.modules.unembedding), matrix(exact.modules.unembedding), atol=1e-3)


def test_concepts(bundled):
    tokens = {bundled.token(i) for i in concept_tokens(bundled)}
    assert {"3", "eight", "VIII", "huit", "acht", "otto", "ocho", "third", "+", "plus", "product"} <= tokens
    assert not {"nurse", "Paul", "the", "garden", "?"} & tokens


def test_filter_equals_a_plain_loop(bundled):
    found = find_shallow_neurons(bundled, more_than=12, layers=range(0, 2), top=20)
    concept = set(concept_tokens(bundled))
    counts = {(row.layer, row.neuron): (row.through, row.count) for row in found.itertuples()}
    assert found.equals(found.sort_values(["layer", "neuron"], ignore_index=True))
    for layer in range(2):
        for neuron in range(0, bundled.n_neurons, 37):
            best = (-1, None)
            for through in range(layer + 1, 3):
                carried = OVMap.of(bundled, through).carry(values(bundled, layer)[neuron])
                for side in carried, -carried:
                    count = len(concept & set(project(bundled, side).topk(20).indices.tolist()))
                    if count > best[0]:
                        best = (count, through)
            assert ((layer, neuron) in counts) == (best[0] > 12)
            if best[0] > 12:
                assert counts[layer, neuron] == (best[1], best[0])


def test_both_sides_are_the_two_signs_and_size_does_not_matter(any_model):
    promotes, suppresses = both_sides(any_model, 1, 5, 4)
    assert promotes == top_tokens(any_model, 1, 5, 0.3, 4)
    assert suppresses == top_tokens(any_model, 1, 5, -2.0, 4)
    assert promotes != suppresses
    later = both_sides(any_model, 0, 5, 4, through=2)
    assert later == tuple(top_tokens(any_model, 0, 5, sign, 4, 2) for sign in (1.0, -1.0))


def test_a_coefficient_of_zero_is_read_as_a_positive_one(bundled):
    """Zero times a value would name the first tokens of the vocabulary."""
    expected = top_tokens(bundled, 2, 5, 1.0, 6)
    assert top_tokens(bundled, 2, 5, 0.0, 6) == expected == tokens_of(bundled, [(2, 5)], [0.0], 6)[0]


def test_top_tokens_signs_and_errors(bundled):
    up = top_tokens(bundled, 2, 5, k=bundled.n_vocab)
    assert top_tokens(bundled, 2, 5, coefficient=-2.0, k=5) == up[::-1][:5]
    assert len(top_tokens(bundled, 2, 5, through=3)) == 10
    for bad in [(99, 0), (0, 10**6)]:
        with pytest.raises(UserError):
            top_tokens(bundled, *bad)
    for through in (2, 0, 99):
        with pytest.raises(UserError):
            top_tokens(bundled, 2, 5, through=through)
    for layers, concepts in ([], None), ([99], None), ([0], []):
        with pytest.raises(UserError):
            find_shallow_neurons(bundled, layers=layers, concepts=concepts)
