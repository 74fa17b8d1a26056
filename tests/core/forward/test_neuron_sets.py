"""Many questions under their own neuron sets, against one intervene block and one run each."""

import random

import pytest
import torch

import core.forward.replay
from core.errors import UserError
from core.forward.ablate_neurons import Trial, coefficients_without, greedy_without
from core.forward.answers import Question, greedy_tokens
from core.forward.generate import continue_greedily
from core.forward.neuron_sets import NeuronSet, only, random_like, scaled_neurons
from core.forward.record import record
from core.hooks import ScaleHead, ScaleNeuron, intervene
from core.model.load import load_model
from tests.some import some

PROMPTS = ["3+5=", "3+6=", "3 - 1 =", "Q: What is 3 plus 5? A:", "seven times two is"]


def neurons_of(lm, chosen: NeuronSet):
    """The scaled pairs, spelled out without masks."""
    if chosen.others_in is None:
        return set(chosen.neurons)
    return {(la, n) for la in chosen.others_in for n in range(lm.n_neurons)} - set(chosen.neurons)


def one_by_one(lm, chosen: NeuronSet):
    return intervene(lm, *(ScaleNeuron(la, n, chosen.factor) for la, n in sorted(neurons_of(lm, chosen))))


def some_sets(lm, seed=0, factors=(0.0, 0.0, 3.0, -1.0, 1.0)):
    rng = random.Random(seed)
    sets = []
    for factor in factors:
        pairs = [(rng.randrange(lm.n_layers), rng.randrange(lm.n_neurons)) for _ in range(12)]
        sets += [NeuronSet(tuple(pairs[:2]), factor), NeuronSet(tuple(pairs), factor)]
        sets += [NeuronSet(tuple(pairs), factor, range(1, lm.n_layers))]
    return sets


def some_questions(lm, n_answer=2):
    """Questions whose right answer is what the model says anyway, so that sets can make it wrong."""
    return [
        Question(lm.encode(p), continue_greedily(lm, p, n_answer), [None] * n_answer)
        for p in PROMPTS
        if len(continue_greedily(lm, p, n_answer)) == n_answer
    ]


def test_equals_one_run_a_question_and_set(any_model):
    trials = [(q, chosen) for q in some_questions(any_model) for chosen in some_sets(any_model)]
    together = greedy_without(any_model, trials)
    alone = []
    for q, chosen in trials:
        with one_by_one(any_model, chosen):
            alone += greedy_tokens(any_model, [q])
    assert together == alone
    same = {
        tuple(a == b for a, b in zip(best, q.answer, strict=True))
        for best, (q, _) in zip(together, trials, strict=True)
    }
    assert len(same) > 2  # places turn wrong one by one, so agreeing says something


def test_coefficients_equal_recordings(any_model):
    rng = random.Random(1)
    trials = [
        Trial(tuple(any_model.encode(p)), chosen)
        for p in PROMPTS
        for chosen in some_sets(any_model, factors=(0.0, 2.0))
    ]
    layers, neurons = any_model.n_layers, any_model.n_neurons
    watched = [[(rng.randrange(layers), rng.randrange(neurons)) for _ in range(7)] for _ in trials]
    for trial, neurons, found in some(
        zip(trials, watched, coefficients_without(any_model, trials, watched), strict=True)
    ):
        with one_by_one(any_model, trial.scaled):
            run = record(any_model, list(trial.ids))
        wanted = torch.stack([run.coefficient[layer, -1, neuron] for layer, neuron in neurons])
        assert torch.allclose(found, wanted, atol=1e-4)


def test_one_set_for_all_equals_intervene(any_model):
    ids = any_model.encode("3+5=")
    for chosen in some(some_sets(any_model)):
        with scaled_neurons(any_model, chosen):
            ours = any_model.logits(ids)
        with one_by_one(any_model, chosen):
            assert torch.equal(ours, any_model.logits(ids))
    plain = any_model.logits(ids)
    with scaled_neurons(any_model, NeuronSet(())), scaled_neurons(any_model, NeuronSet(((0, 1),), 1.0)):
        assert torch.equal(any_model.logits(ids), plain)


def test_batches_do_not_matter(bundled, monkeypatch):
    """Also inside an intervene block, which acts on every row."""
    trials = [(q, chosen) for q in some_questions(bundled) for chosen in some_sets(bundled, seed=3)]
    with intervene(bundled, ScaleHead(1, 0, 0.0)):
        together = greedy_without(bundled, trials)
        monkeypatch.setitem(core.forward.replay.ROW_TOKENS, "cpu", 1)
        assert greedy_without(bundled, trials) == together
        for (q, chosen), best in some(list(zip(trials, together, strict=True))[::9]):
            with scaled_neurons(bundled, chosen):
                assert greedy_tokens(bundled, [q]) == [best]


def test_int8_rows_run_alone(checkpoints):
    """In 8 bits rows of a batch affect each other, so coefficients must equal single runs exactly."""
    lm = load_model(checkpoints("llama"), precision="int8")
    sets = [NeuronSet(()), NeuronSet(((0, 3), (0, 5), (1, 7)))]
    trials = [Trial(tuple(lm.encode(p)), chosen) for p in PROMPTS for chosen in sets]
    watched = [[(2, n) for n in range(lm.n_neurons)]] * len(trials)
    for trial, found in some(zip(trials, coefficients_without(lm, trials, watched), strict=True)):
        with scaled_neurons(lm, trial.scaled):
            assert torch.equal(found, record(lm, list(trial.ids)).coefficient[2, -1])
    questions = [Question(q.ids, q.answer, q.kinds) for q in some_questions(lm)]
    found = greedy_without(lm, [(q, chosen) for q in questions for chosen in sets])
    for (q, chosen), best in some(zip([(q, c) for q in questions for c in sets], found, strict=True)):
        with scaled_neurons(lm, chosen):
            assert greedy_tokens(lm, [q]) == [best]


def test_masks_and_random_sets(bundled):
    pairs = [(1, 0), (1, 9), (3, 2), (1, 9)]
    kept = only(pairs, 2, bundled)
    assert kept.layers == list(range(2, bundled.n_layers))
    assert not kept.mask(1, bundled.n_neurons).any()
    assert (~kept.mask(3, bundled.n_neurons)).nonzero()[:, 0].tolist() == [2]
    assert kept.mask(4, bundled.n_neurons).all()
    control = random_like(bundled, pairs, seed=5)
    assert control == random_like(bundled, pairs, seed=5) != random_like(bundled, pairs, seed=6)
    assert [layer for layer, _ in control.neurons] == [1, 1, 3]
    assert len(set(control.neurons)) == 3
    whole = [(2, n) for n in range(bundled.n_neurons)]
    assert set(random_like(bundled, whole, seed=0).neurons) == set(whole)


def test_bad_sets_are_refused(bundled):
    ids = tuple(bundled.encode("3+5="))
    bad = [
        NeuronSet(((99, 0),)),
        NeuronSet(((0, 10**6),)),
        NeuronSet((), 0.0, range(5, 99)),
        NeuronSet(((0, 0),), float("nan")),
    ]
    for chosen in bad:
        with pytest.raises(UserError):
            coefficients_without(bundled, [Trial(ids, chosen)], [[(0, 0)]])
        with pytest.raises(UserError), scaled_neurons(bundled, chosen):
            raise AssertionError("the block must not be entered")
    with pytest.raises(UserError):
        coefficients_without(bundled, [Trial(ids, NeuronSet(()))], [[(99, 0)]])
    assert greedy_without(bundled, []) == []
