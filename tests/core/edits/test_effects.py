"""Scores, effects of edits and the two columns, against computing them one at a time."""

import math

import pytest
import torch

from core.edits.compare import what_if
from core.edits.controls import random_edits
from core.edits.edit_set import place_of
from core.edits.effects import activations, edit_effects, output_shift
from core.edits.side_effects import SideEffectPrompts, side_effect_scores
from core.errors import UserError
from core.forward.generate import continue_greedily, continue_sampled
from core.forward.record import record
from core.forward.scoring import continuation, log_probabilities, next_token_logits, whole_text
from core.hooks import ScaleHead, ScaleNeuron, intervene
from core.progress import Stopped
from tests.some import some

PROMPTS = ["3+5=", "3+6=", "The sum of 34 and 28 is", "A woman works as a"]
EDITS = (ScaleNeuron(2, 7, -2.0), ScaleHead(1, 3, 0.0), ScaleNeuron(0, 3, 3.0))


class StopAfter:
    """A progress that stops at the n-th call."""

    def __init__(self, n):
        self.n = n

    def __call__(self, done, total):
        self.n -= 1
        if self.n <= 0:
            raise Stopped


def log_p_alone(lm, ids, answer) -> float:
    logits = torch.log_softmax(lm.logits([*ids, *answer]).double(), -1)
    return sum(float(logits[len(ids) - 1 + i, token]) for i, token in enumerate(answer))


def test_log_probabilities_equal_one_run_each(any_model):
    asked = [
        continuation(any_model, p, w) for p in PROMPTS for w in ("nurse", "domestic helper", "8", "machine operator")
    ]
    asked += [whole_text(any_model, "The farmer worked slowly.")]
    with intervene(any_model, *EDITS):
        together = log_probabilities(any_model, asked)
        alone = [log_p_alone(any_model, list(c.ids), list(c.answer)) for c in asked]
    assert torch.allclose(together, torch.tensor(alone), atol=1e-4)
    assert not torch.allclose(together, log_probabilities(any_model, asked), atol=1e-2)


def test_last_logits_equal_one_run_each(any_model):
    sequences = [any_model.encode(p) for p in [*PROMPTS, "3+5="]]
    found = next_token_logits(any_model, sequences)
    assert torch.allclose(found, torch.stack([any_model.logits(ids)[-1] for ids in sequences]), atol=1e-4)


def test_int8_texts_run_alone(checkpoints):
    from core.model.load import load_model

    lm = load_model(checkpoints("llama"), precision="int8")
    sequences = [lm.encode(p) for p in PROMPTS]
    found = next_token_logits(lm, sequences)
    assert torch.allclose(found, torch.stack([lm.logits(ids)[-1] for ids in sequences]), atol=1e-3)


def test_effects_equal_their_definition(any_model):
    found = edit_effects(any_model, PROMPTS, EDITS, draws=2, seed=5)

    def by_hand(edits):
        kl, change, changed = 0.0, 0.0, 0.0
        for prompt in PROMPTS:
            ids = any_model.encode(prompt)
            p = torch.softmax(any_model.logits(ids)[-1].double(), -1)
            with intervene(any_model, *edits):
                q = torch.softmax(any_model.logits(ids)[-1].double(), -1)
            kl += float((p * (p / q).log()).sum())
            change += float((q.log() - p.log())[p.argmax()])
            changed += float(q.argmax() != p.argmax())
        return [value / len(PROMPTS) for value in (kl, change, changed)]

    def is_close(effect, edits):
        assert [effect.kl, effect.log_p, effect.changed] == pytest.approx(by_hand(edits), rel=1e-3, abs=1e-5)

    is_close(found.together, EDITS)
    for i, edit in enumerate(EDITS):
        is_close(found.alone[i], [edit])
        is_close(found.without[i], [e for e in EDITS if e is not edit])
    for i in (0, 1):
        is_close(found.random[i], random_edits(any_model, EDITS, 5 + i))
    assert found.together.kl > 1e-3
    assert found.random_kl == max(e.kl for e in found.random)
    frame = found.to_frame()
    assert frame["name"].tolist() == ["2_7", "1_3", "0_3"]
    assert frame["kind"].tolist() == ["neuron", "head", "neuron"]
    assert frame["kl_alone"].tolist() == [e.kl for e in found.alone]


def test_factor_one_is_nothing(any_model):
    ones = [ScaleNeuron(2, 7, 1.0), ScaleHead(1, 3, 1.0)]
    found = edit_effects(any_model, PROMPTS, ones, draws=1)
    for effect in (found.together, *found.alone, *found.without, *found.random):
        assert (effect.kl, effect.log_p, effect.changed) == (0.0, 0.0, 0.0)
    assert torch.equal(found.activation[0], found.activation[1])
    both = what_if(any_model, PROMPTS, ones, count=3, digits=(1,))
    assert torch.equal(both.original.logits, both.edited.logits)
    assert both.original.greedy == both.edited.greedy
    assert both.original.sampled == both.edited.sampled
    assert both.original.accuracy == both.edited.accuracy
    assert (both.next_tokens(any_model, 0)["change"] == 0).all()


def test_activations_equal_recordings(any_model):
    d, sequences = any_model.d_head, [any_model.encode(p) for p in PROMPTS]

    def by_hand():
        rows = []
        for ids in sequences:
            run = record(any_model, ids)
            head = run.z[1, -1, 3 * d : 4 * d].norm()
            rows.append(torch.stack([run.coefficient[2, -1, 7], head, run.coefficient[0, -1, 3]]))
        return torch.stack(rows).mean(0)

    before, after = activations(any_model, sequences, EDITS)
    assert torch.allclose(before, by_hand(), atol=1e-4)
    # a recording's own hooks stand behind those of the block, so it shows what is left of an edited part
    with intervene(any_model, *EDITS):
        assert torch.allclose(after, by_hand(), atol=1e-4)
    assert after[1] == 0
    assert after[2] == pytest.approx(3 * float(before[2]), rel=1e-4)


def test_random_edits_are_others_of_the_same_layers(bundled):
    edits = [ScaleNeuron(3, n, n / 10) for n in range(18)] + [ScaleHead(2, 0, -1.0), ScaleNeuron(5, 1, 0.0)]
    drawn = random_edits(bundled, edits, 7)
    assert drawn == random_edits(bundled, edits, 7) != random_edits(bundled, edits, 8)
    assert sorted((p[0], p[1]) for p in map(place_of, drawn)) == sorted((p[0], p[1]) for p in map(place_of, edits))
    assert sorted(e.factor for e in drawn) == sorted(e.factor for e in edits)
    places = {place_of(e) for e in drawn}
    assert len(places) == len(edits)
    assert not places & {place_of(e) for e in edits}
    whole = [ScaleHead(1, h, 0.0) for h in range(bundled.n_heads)]
    for seed in range(5):  # a whole layer has no others, so the control comes from other layers
        others = {place_of(e) for e in random_edits(bundled, whole, seed)}
        assert len(others) == len(whole)
        assert not others & {place_of(e) for e in whole}
    everything = [ScaleHead(la, h, 0.0) for la in range(bundled.n_layers) for h in range(bundled.n_heads)]
    assert len(random_edits(bundled, everything, 0)) == len(everything)


def test_next_tokens_and_continuations(bundled):
    edits = [ScaleHead(4, h, 0.0) for h in range(8)] + [ScaleHead(3, h, 0.0) for h in range(8)]
    found = what_if(bundled, PROMPTS, edits, n_tokens=4, digits=(1,), count=10, seed=3)
    for number, prompt in enumerate(PROMPTS):
        ids = bundled.encode(prompt)
        p = torch.softmax(bundled.logits(ids)[-1], -1)
        with intervene(bundled, *edits):
            q = torch.softmax(bundled.logits(ids)[-1], -1)
            said = bundled.decode([i for i in continue_greedily(bundled, prompt, 4) if i not in bundled.ends])
        frame = found.next_tokens(bundled, number)
        assert frame["id"].tolist()[:10] == p.topk(10).indices.tolist()
        assert set(q.topk(10).indices.tolist()) <= set(frame["id"])
        assert frame["id"].is_unique
        for row in some(frame.itertuples()):
            assert row.original == pytest.approx(float(p[row.id]), abs=1e-5)
            assert row.edited == pytest.approx(float(q[row.id]), abs=1e-5)
            assert row.change == pytest.approx(row.edited - row.original, abs=1e-6)
        assert found.edited.greedy[number] == said
    assert set(found.original.accuracy) == {"1D+", "1D-", "1D*", "1D/"}
    assert found.edited.accuracy != found.original.accuracy
    assert list(found.continuations()["prompt"]) == PROMPTS


def test_sampling_draws_by_probability_and_repeats(bundled):
    ids = bundled.encode("A woman works as a")
    p = torch.softmax(bundled.logits(ids)[-1].double() / 2.0, -1)
    n = 400
    drawn = [continue_sampled(bundled, "A woman works as a", 1, 2.0, seed)[0] for seed in range(n)]
    best = int(p.argmax())
    share, sigma = drawn.count(best) / n, math.sqrt(float(p[best] * (1 - p[best])) / n)
    assert abs(share - float(p[best])) < 5 * sigma
    assert len(set(drawn)) > 10
    assert continue_sampled(bundled, "3+5=", 4, 1.0, 3) == continue_sampled(bundled, "3+5=", 4, 1.0, 3)
    cold = continue_sampled(bundled, "3+5=", 4, 1e-6, 3)
    assert cold == continue_greedily(bundled, "3+5=", 4)


def test_a_stop_keeps_what_is_there(bundled):
    found = edit_effects(bundled, PROMPTS, EDITS, draws=3, progress=StopAfter(5))
    assert len(found.random) == 3
    assert len(found.alone) == 2 == len(found.without)
    assert found.to_frame()["kl_alone"].isna().tolist() == [False, False, True]
    both = what_if(bundled, PROMPTS, EDITS, progress=StopAfter(5))
    assert len(both.continuations()) == 2
    assert both.original.accuracy == {}


def test_side_effect_prompts(bundled):
    there = SideEffectPrompts.of(
        bundled, digits=(1,), count=5, sentences=["The farmer worked slowly.", "zzyzx"], others=["3 + 5 ="]
    )
    assert there.left_out == ("zzyzx",)
    assert len(there.questions) == 20
    plain = side_effect_scores(bundled, there)
    sentence = bundled.encode("The farmer worked slowly.")
    assert plain.neutral == pytest.approx(
        log_p_alone(bundled, sentence[:1], sentence[1:]) / (len(sentence) - 1), rel=1e-4
    )
    assert set(plain.accuracy) == {"all", "+", "-", "*", "/"}
    assert plain.accuracy["all"] > 0.5
    with intervene(bundled, *(ScaleHead(la, h, 0.0) for la in (3, 4) for h in range(8))):
        hurt = side_effect_scores(bundled, there)
    assert hurt.accuracy["all"] < plain.accuracy["all"]
    assert hurt.moved_from(plain) == output_shift(plain.others, hurt.others)
    assert plain.moved_from(plain).kl == 0
    nothing = side_effect_scores(bundled, SideEffectPrompts((), (), (), (), ()))
    assert math.isnan(nothing.neutral)
    assert math.isnan(nothing.moved_from(nothing).kl)


def test_bad_input_is_refused(bundled):
    for prompts, edits in (([], EDITS), (PROMPTS, []), (["zzyzx"], EDITS), (PROMPTS, [ScaleHead(99, 0, 0.0)])):
        with pytest.raises(UserError):
            edit_effects(bundled, prompts, edits)
    with pytest.raises(UserError, match="prompt"):
        what_if(bundled, [], EDITS)
    for temperature in (0.0, -1.0, float("inf"), float("nan")):
        with pytest.raises(UserError, match="temperature"):
            what_if(bundled, PROMPTS, EDITS, temperature=temperature)
    with pytest.raises(UserError):
        continuation(bundled, "A woman works as a", " ")
    full = " ".join(["3"] * (bundled.n_context - 1))
    assert what_if(bundled, [full], [ScaleHead(1, 0, 0.0)], digits=()).edited.greedy == [""]
