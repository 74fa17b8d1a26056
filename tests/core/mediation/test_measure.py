"""Indirect effects against a plain loop of one run at a time, and the identities that they must keep."""

import math
from dataclasses import replace

import pytest
import torch

from core.errors import UserError
from core.forward.patching import PairRuns, Place, layers_of
from core.forward.record import first
from core.hooks import ScaleHead, intervene
from core.mediation.draw import draw_pairs
from core.mediation.effect import effect
from core.mediation.measure import LAYER_SITES, indirect_effects, measure, mediate
from core.mediation.pairs import PromptPair, typed_pair
from core.mediation.probability_changes import PROBABILITY_CHANGES
from core.mediation.units import head_effects, important_neurons, neuron_effects
from core.model.load import load_model
from core.progress import Stopped
from tests.some import some

BASE, OTHER = "3 + 5 =", "2 * 6 ="


def results_of(lm, base=BASE, other=OTHER):
    """The base's prediction, and the likeliest other token after the alternative (random models say the same)."""
    r = int(lm.logits(lm.encode(base))[-1].argmax())
    end = lm.logits(lm.encode(other))[-1].clone()
    end[r] = -math.inf
    return r, int(end.argmax())


def module_of(lm, site, layer):
    if site == "residual":
        return lm.modules.layers[layer]
    where = {"ffn": lm.modules.ffn, "attention": lm.modules.attention, "embedding": lambda _: lm.modules.embedding}
    return where[site](layer)


def seen(lm, ids, module, before=False):
    """What a module gives out, or takes in, in a plain run."""
    kept = []
    if before:
        handle = module.register_forward_pre_hook(lambda _, args: kept.append(args[0][0]))
    else:
        handle = module.register_forward_hook(lambda _, __, output: kept.append(first(output)[0]))
    lm.logits(ids)
    handle.remove()
    return kept[0]


def patched_alone(lm, ids, module, position, value):
    """Probabilities after one run with a module's output replaced at one position."""

    def hook(_module, _args, output):
        changed = first(output).clone()
        changed[0, position] = value
        return (changed, *output[1:]) if isinstance(output, tuple) else changed

    handle = module.register_forward_hook(hook)
    logits = lm.logits(ids)[-1]
    handle.remove()
    return torch.softmax(logits.double(), -1)


def places_of(lm, site, n_tokens):
    return [Place(site, layer, pos) for layer in layers_of(lm, site) for pos in range(n_tokens)]


#: Sites whose value is what a module gives out; attention weights are in tests/core/forward/test_patterns.py.
OUTPUTS = tuple(site for site in LAYER_SITES if site != "pattern")


@pytest.mark.parametrize("site", OUTPUTS)
def test_equals_one_run_a_layer_and_position(any_model, site):
    lm = any_model
    r, s = results_of(lm)
    found = indirect_effects(lm, BASE, OTHER, site, r, s)
    ids, other = lm.encode(BASE), lm.encode(OTHER)
    p, q = (torch.softmax(lm.logits(x)[-1].double(), -1) for x in (ids, other))
    assert (found.base_prediction, found.alternative_prediction) == (int(p.argmax()), int(q.argmax()))
    assert torch.allclose(found.clean.exp().double(), torch.stack([p[[r, s]], q[[r, s]]]), atol=1e-5)
    assert found.tokens == [lm.token(i) for i in ids]
    layers = layers_of(lm, site)
    assert found.effect.shape == (len(layers), len(ids))
    for layer in some(layers):
        module = module_of(lm, site, layer)
        values = seen(lm, other, module)
        for position in range(len(ids)):
            alone = patched_alone(lm, ids, module, position, values[position])
            wanted = ((p[r] - alone[r]) / alone[r] + (alone[s] - p[s]) / p[s]) / 2
            assert found.effect[layer, position].item() == pytest.approx(wanted.item(), rel=1e-3, abs=1e-4)
            assert torch.allclose(found.patched[layer, position].exp().double(), alone[[r, s]], atol=1e-5)
            assert found.prediction[layer, position] == alone.argmax()


def test_a_run_copied_into_itself_changes_nothing(any_model):
    ids = tuple(any_model.encode(BASE))
    itself = PromptPair(BASE, BASE, ids, ids, None, None, ("others",) * len(ids), "prediction")
    for site in some(LAYER_SITES):
        found = measure(any_model, [itself], lambda n, s=site: places_of(any_model, s, n))[0]
        assert found.base_result == found.alternative_result
        assert found.effect.abs().max() < 1e-4
        assert abs(found.total_effect) < 1e-4
        assert not found.wanted.any()
        assert not found.unwanted.any()


def test_the_whole_stream_at_the_end_is_the_total_effect(any_model):
    found = indirect_effects(any_model, BASE, OTHER, "residual", *results_of(any_model))
    p, q = found.clean.exp().double()
    assert found.total_effect == pytest.approx(float((p[0] - q[0]) / q[0] + (q[1] - p[1]) / p[1]) / 2, rel=1e-4)
    assert found.effect[-1, -1].item() == pytest.approx(found.total_effect, rel=1e-3)
    assert torch.allclose(found.patched[-1, -1], found.clean[1], atol=1e-4)
    assert found.prediction[-1, -1] == found.alternative_prediction


def test_changes_of_the_prediction(bundled):
    found = indirect_effects(bundled, BASE, "2 + 7 =", "residual")
    assert (found.base_result, found.alternative_result) == (found.base_prediction, found.alternative_prediction)
    assert found.wanted[-1, -1]
    assert not found.wanted[0, -1]
    assert not found.unwanted[-1, -1]
    changed = found.prediction != found.base_result
    assert torch.equal(changed, found.wanted | found.unwanted)
    assert not (found.wanted & found.unwanted).any()
    assert found.prediction[found.wanted].eq(found.alternative_result).all()


def test_what_is_the_same_in_both_prompts_has_no_effect(bundled):
    """Before the first different token both runs are the same, and the last layer reads one position only."""
    found = indirect_effects(bundled, "3 + 5 =", "3 + 6 =")
    assert found.effect[:, :3].abs().max() < 1e-4
    assert found.effect[-1, :-1].abs().max() < 1e-4
    assert found.effect[:, 3].abs().max() > 1e-2
    assert found.effect[-1, -1].abs() > 1e-2


def test_many_pairs_equal_one_by_one(bundled):
    pairs = draw_pairs(bundled, count=6, digits=(1, 2), templates=(0, 3))
    assert len({len(p.base_ids) for p in pairs}) > 1
    together = mediate(bundled, pairs, ("attention", "ffn"))
    assert together.pairs == pairs
    assert together.asked == 6
    for number, pair in enumerate(some(pairs)):
        for site in ("ffn", "attention"):
            alone = mediate(bundled, [pair], (site,)).effects[site][0]
            there = together.effects[site][number]
            assert there.base_result == pair.base_result
            assert there.tokens == alone.tokens
            assert torch.allclose(there.log_effect, alone.log_effect, atol=1e-3)
            assert torch.equal(there.prediction, alone.prediction)


def test_results_may_be_given(bundled):
    eight = bundled.tokenizer.convert_tokens_to_ids("8")
    by_id = indirect_effects(bundled, BASE, "2 + 7 =", base_result=eight, alternative_result="9")
    assert by_id.base_result == eight
    assert bundled.token(by_id.alternative_result) == "9"
    assert torch.allclose(by_id.effect, indirect_effects(bundled, BASE, "2 + 7 =").effect)
    one = indirect_effects(bundled, BASE, "2 + 7 =", base_result=eight, alternative_result=eight)
    fall = one.clean[0, 0].exp() / one.patched[..., 0].exp() - 1
    assert torch.allclose(one.effect, fall, rtol=1e-3, atol=1e-5)


def test_heads_and_neurons_equal_one_run_each(any_model):
    lm = any_model
    pair = typed_pair(lm, BASE, OTHER)
    ids, other = list(pair.base_ids), list(pair.alternative_ids)
    heads = head_effects(lm, [pair])
    neurons = neuron_effects(lm, [pair], [(2, 5), (0, 40), (1, 7)])
    assert neurons.places == [(0, 40), (1, 7), (2, 5)]
    assert len(heads.places) == lm.n_layers * lm.n_heads
    for parts, output, width in ((heads, lm.modules.head_output, lm.d_head), (neurons, lm.modules.neuron_output, 1)):
        found = parts.effects[0]
        results = [found.base_result, found.alternative_result]
        for place, (layer, index) in enumerate(some(parts.places)):
            span = slice(index * width, (index + 1) * width)
            value = seen(lm, other, output(layer), before=True)[-1, span]

            def put(_module, args, span=span, value=value):
                changed = args[0].clone()
                changed[0, -1, span] = value
                return (changed,)

            handle = output(layer).register_forward_pre_hook(put)
            alone = torch.log_softmax(lm.logits(ids)[-1], -1)[results]
            handle.remove()
            assert torch.allclose(found.patched[place], alone, atol=1e-3)
    frame = heads.to_frame()
    names = ["layer", "head", "mean", "geometric mean", "wanted", "unwanted", "undesired", "change"]
    assert list(frame.columns) == [*names, *PROBABILITY_CHANGES, "metric"]
    assert frame["mean"].to_numpy() == pytest.approx(heads.effects[0].effect.numpy(), rel=1e-3, abs=1e-5)
    assert frame["geometric mean"].to_numpy() == pytest.approx(frame["mean"].to_numpy())  # of one pair


def test_both_averages_of_single_heads(bundled):
    pairs = draw_pairs(bundled, count=5)
    heads = head_effects(bundled, pairs)
    log = torch.stack([e.log_effect for e in heads.effects]).double()
    frame = heads.to_frame()
    assert frame["mean"].to_numpy() == pytest.approx(log.expm1().mean(0).numpy())
    assert frame["geometric mean"].to_numpy() == pytest.approx(log.exp().log().mean(0).expm1().numpy())
    assert (frame["mean"] >= frame["geometric mean"] - 1e-9).all()
    assert frame["mean"].max() > 10 * frame["geometric mean"].max()


def test_two_prompts_that_are_the_same(bundled):
    """Nothing differs, so nothing can be mediated: refused wherever a pair comes in."""
    for other in (BASE, "3+5=", " 3 + 5 ="):
        with pytest.raises(UserError, match="the same for the model.*Change a number or a word"):
            typed_pair(bundled, BASE, other)
    good = typed_pair(bundled, BASE, "2 + 7 =")
    same = replace(good, alternative=BASE, alternative_ids=good.base_ids)
    for work in (
        lambda: indirect_effects(bundled, BASE, BASE),
        lambda: mediate(bundled, [good, same]),
        lambda: head_effects(bundled, [good, same]),
        lambda: neuron_effects(bundled, [same], [(1, 1)]),
        lambda: important_neurons(bundled, [same], 3),
    ):
        with pytest.raises(UserError, match="the same for the model"):
            work()


def test_all_heads_of_a_layer_together_are_its_attention(bundled):
    """The attention output is linear in the heads, so copying every head copies the attention output."""
    pair = typed_pair(bundled, BASE, "2 + 7 =")
    last = len(pair.base_ids) - 1
    attention = measure(bundled, [pair], lambda n: [Place("attention", 5, last)])[0]
    output = bundled.modules.head_output(5)
    value = seen(bundled, list(pair.alternative_ids), output, before=True)[-1]

    def put(_module, args):
        changed = args[0].clone()
        changed[0, -1] = value
        return (changed,)

    handle = output.register_forward_pre_hook(put)
    logits = bundled.logits(list(pair.base_ids))[-1]
    handle.remove()
    wanted = torch.log_softmax(logits, -1)[[attention.base_result, attention.alternative_result]]
    assert torch.allclose(attention.patched[0], wanted, atol=1e-3)


def test_inside_an_intervention(bundled, arithmetic_heads):
    """Effects of the intervened model: its own clean runs, its own layers."""
    with intervene(bundled, ScaleHead(*arithmetic_heads[4], 0.0)):  # without the first ones both answers are as likely
        found = indirect_effects(bundled, BASE, "2 + 7 =", "residual")
        ends = [torch.log_softmax(bundled.logits(bundled.encode(p))[-1], -1) for p in (BASE, "2 + 7 =")]
    for run, end in some(zip(found.clean, ends, strict=True)):
        assert torch.allclose(run, end[[found.base_result, found.alternative_result]], atol=1e-4)
    assert found.effect[-1, -1].item() == pytest.approx(found.total_effect, rel=1e-3)
    assert not torch.allclose(found.clean, indirect_effects(bundled, BASE, "2 + 7 =", "residual").clean, atol=1e-4)


def test_int8_runs_each_value_alone(checkpoints):
    """In 8 bits rows of a batch affect each other: single runs must come out bit for bit."""
    lm = load_model(checkpoints("llama"), precision="int8")
    pairs = [typed_pair(lm, BASE, OTHER), typed_pair(lm, "7 - 1 =", "9 - 4 =")]
    found = mediate(lm, pairs, ("ffn",)).effects["ffn"]
    for pair, effects in some(zip(pairs, found, strict=True)):
        ids, other = list(pair.base_ids), list(pair.alternative_ids)
        for layer, position in ((0, 1), (1, 4), (2, 4)):
            module = lm.modules.ffn(layer)
            alone = patched_alone(lm, ids, module, position, seen(lm, other, module)[position])
            wanted = alone[[effects.base_result, effects.alternative_result]].log()
            assert torch.allclose(effects.patched[layer, position].double(), wanted, atol=1e-6)
    ids = tuple(lm.encode(BASE))
    itself = PromptPair(BASE, BASE, ids, ids, None, None, ("others",) * len(ids), "prediction")
    assert measure(lm, [itself], lambda n: places_of(lm, "ffn", n))[0].effect.eq(0).all()


def test_stop_keeps_whole_pairs(bundled):
    pairs = draw_pairs(bundled, count=60)
    told = []

    def stop_in_the_middle(done, total):
        told.append((done, total))
        if done >= total / 2:
            raise Stopped

    part = mediate(bundled, pairs, ("ffn",), stop_in_the_middle)
    whole = mediate(bundled, pairs, ("ffn",))
    assert 0 < len(part.pairs) < len(pairs) == part.asked
    assert told == sorted(told)
    for pair, effects in some(zip(part.pairs, part.effects["ffn"], strict=True)):
        assert torch.equal(effects.effect, whole.effects["ffn"][pairs.index(pair)].effect)

    def stop_at_once(done, total):
        raise Stopped

    for work in (lambda p: mediate(bundled, pairs, progress=p), lambda p: head_effects(bundled, pairs, p)):
        with pytest.raises(Stopped):
            work(stop_at_once)


def test_the_formula():
    clean = torch.tensor([[0.8, 0.1], [0.05, 0.9]], dtype=torch.float64).log()
    patched = torch.tensor([[0.4, 0.3], [0.8, 0.1], [0.9, 0.05]], dtype=torch.float64).log()
    two, log_two = effect(clean, patched, False)
    assert two.tolist() == pytest.approx([(1 + 2) / 2, 0.0, (0.8 / 0.9 - 1 - 0.5) / 2])
    assert log_two.exp().tolist() == pytest.approx((two + 1).tolist())
    one, log_one = effect(clean, patched, True)
    assert one.tolist() == pytest.approx([1.0, 0.0, 0.8 / 0.9 - 1])
    assert log_one[0] == pytest.approx(math.log(2))


def test_probabilities_too_small_to_write_do_not_divide_by_zero():
    clean = torch.tensor([[-0.1, -2000.0], [-2000.0, -0.1]], dtype=torch.float64)
    patched = torch.tensor([[-0.1, -1990.0], [-3000.0, -0.1]], dtype=torch.float64)
    ratio, log_ratio = effect(clean, patched, False)
    assert ratio[0] == pytest.approx(math.expm1(10) / 2)
    assert ratio[1] == math.inf
    assert log_ratio[0] == pytest.approx(math.log(ratio[0] + 1))
    assert log_ratio[1] == pytest.approx(2999.9 - math.log(2))
    assert (effect(clean, clean[:1] - 50.0, False)[0] > -1).all()
    never = clean[0].new_tensor([-math.inf, -math.inf])
    assert effect(clean, never, False)[0] == math.inf  # P*(r) is 0


def test_bad_input(bundled):
    for base, other, words in (
        ("3 + 5 =", "3 + 15 =", "same number of tokens"),
        ("", "3 + 5 =", "empty"),
        ("3 + zzyzx =", "3 + 5 =", "zzyzx"),
    ):
        with pytest.raises(UserError, match=words):
            indirect_effects(bundled, base, other)
    for result, words in ((10**6, "outside"), (-1, "outside"), ("12", "2 tokens"), ("zzyzx", "zzyzx"), ("", "no text")):
        with pytest.raises(UserError, match=words):
            indirect_effects(bundled, BASE, "2 + 7 =", alternative_result=result)
    pair = typed_pair(bundled, BASE, "2 + 7 =")
    with pytest.raises(UserError, match="no pair"):
        mediate(bundled, [])
    with pytest.raises(UserError, match="head"):
        mediate(bundled, [pair], ("head",))
    with pytest.raises(UserError, match="does not exist"):
        neuron_effects(bundled, [pair], [(0, 10**6)])
    with pytest.raises(UserError, match="at least one"):
        neuron_effects(bundled, [pair], [])
    assert replace(pair) == pair


def test_frame(bundled):
    found = indirect_effects(bundled, BASE, "2 + 7 =")
    frame = found.to_frame()
    assert len(frame) == bundled.n_layers * 5
    row = frame[(frame["layer"] == 2) & (frame["position"] == 3)].iloc[0]
    assert row["token"] == found.tokens[3]
    assert row["effect"] == pytest.approx(found.effect[2, 3].item())
    assert row["base_patched"] == pytest.approx(found.patched[2, 3, 0].exp().item())
    assert row["alternative_in_alternative"] == pytest.approx(found.clean[1, 1].exp().item())


@pytest.mark.parametrize(("part", "everywhere"), [("attention weights", False), ("attention weights everywhere", True)])
def test_attention_weights_of_heads(any_model, part, everywhere):
    """All heads together move as the weights of the layer do; a head's weights at the end move its output there."""
    lm = any_model
    pair = typed_pair(lm, BASE, OTHER)
    heads = head_effects(lm, [pair], head_part=part)
    assert list(heads.to_frame().columns[:2]) == ["layer", "head"]
    runs = PairRuns(lm, [list(pair.base_ids)], [list(pair.alternative_ids)], ("head pattern",))
    position = None if everywhere else len(pair.base_ids) - 1
    for place, (layer, head) in enumerate(some(heads.places)):
        with torch.no_grad():
            alone = torch.log_softmax(runs.patched([(0, Place("head pattern", layer, position, head))])[0].double(), -1)
        results = [heads.effects[0].base_result, heads.effects[0].alternative_result]
        assert torch.allclose(heads.effects[0].patched[place].double(), alone[results].cpu(), atol=1e-3)


def test_no_other_part_of_a_head(bundled):
    with pytest.raises(UserError, match="cannot be copied"):
        head_effects(bundled, [typed_pair(bundled, BASE, "2 + 7 =")], head_part="queries")
