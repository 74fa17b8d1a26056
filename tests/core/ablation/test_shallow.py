"""The shallow filter's counts and what its neurons are worth, against plain loops."""

import math

import pytest
import torch

from core import disk_cache
from core.ablation.shallow import ablate_shallow
from core.errors import UserError
from core.forward.answers import question, token_cases
from core.forward.neuron_sets import random_like
from core.model.weights import values
from core.progress import Stopped
from core.prompts.arithmetic import make_prompts
from core.vocabulary.concepts import SHORT_LIST, concept_tokens
from core.vocabulary.neuron_tokens import find_shallow_neurons
from core.vocabulary.projection import OVMap, project
from core.vocabulary.shallow import shallow_counts
from tests.plain import next_token, without_neurons
from tests.some import some

PROMPTS = make_prompts(["+", "-"], digits=[1], count=12)


def sides(value, signs):
    return (value, -value) if signs == "both" else (value,)


def test_counts_equal_a_plain_loop(any_model):
    """Layers with a gap; equal counts go to the lower attention layer."""
    concept = set(concept_tokens(any_model))
    for layers, signs in (([0, 1], "both"), ([1], "both"), ([0, 1], "plus")):
        counts = shallow_counts(any_model, layers, top=30, signs=signs)
        frame = counts.kept(more_than=-1)
        assert len(frame) == len(layers) * any_model.n_neurons
        for layer in some(layers):
            for neuron in range(0, any_model.n_neurons, 11):
                mine = {}
                for j in some(counts.throughs):
                    if j > layer:
                        carried = OVMap.of(any_model, j).carry(values(any_model, layer)[neuron])
                        tops = [project(any_model, side).topk(30).indices.tolist() for side in sides(carried, signs)]
                        mine[j] = max(len(concept & set(top)) for top in tops)
                    at = counts.count[layers.index(layer), neuron, counts.throughs.index(j)]
                    assert int(at) == mine.get(j, -1)
                row = frame[(frame.layer == layer) & (frame.neuron == neuron)].iloc[0]
                assert (row["through"], row["count"]) == max(mine.items(), key=lambda item: (item[1], -item[0]))


def test_thresholds_of_one_count_are_the_filters(bundled):
    counts = shallow_counts(bundled, range(0, 3), top=20)
    for m in (-1, 3, 9, 99):
        kept = counts.kept(m)
        assert kept.equals(find_shallow_neurons(bundled, more_than=m, layers=range(0, 3), top=20))
        assert counts.pairs(m) == list(zip(kept.layer.tolist(), kept.neuron.tolist(), strict=True))


def test_a_stopped_count_gives_nothing(bundled):
    def stop(done, total):
        assert done <= total
        raise Stopped

    with pytest.raises(Stopped):
        shallow_counts(bundled, progress=stop)


@pytest.fixture(scope="module")
def counts(bundled):
    return shallow_counts(bundled, range(0, 2), top=20)


def accuracy_without(lm, pairs):
    """The share of answer tokens that are the most likely ones, one forward pass each."""
    cases = token_cases(lm, [question(lm, p) for p in PROMPTS])
    with without_neurons(lm.model, pairs):
        return sum(next_token(lm.model, case.ids) == case.token for case in cases) / len(cases)


def test_accuracies_equal_intervening(bundled, counts):
    ms = [int(counts.count.max()) - 2, 5, int(counts.count.max())]  # the last keeps nothing
    found = ablate_shallow(bundled, PROMPTS, counts, ms, draws=2, seed=4)
    assert found.neurons == [len(counts.kept(m)) for m in ms]
    assert found.neurons[2] == 0
    assert found.by_chance == found.to_frame()["by_chance"].tolist() == [counts.by_chance(m) for m in ms]
    assert found.by_chance[1] > 0
    assert found.prompts == len(PROMPTS) < found.cases == sum(len(p.answer) for p in PROMPTS)
    assert found.original == pytest.approx(accuracy_without(bundled, []))
    for at, m in enumerate(some(ms)):
        assert found.accuracy[at].item() == pytest.approx(accuracy_without(bundled, counts.pairs(m)))
    assert found.accuracy[2].item() == pytest.approx(found.original)
    assert torch.allclose(found.control[2], torch.tensor(found.original))
    again = ablate_shallow(bundled, PROMPTS, counts, [5], draws=2, seed=4)
    assert torch.equal(again.control[0], found.control[1])  # a draw does not depend on the other M
    control = random_like(bundled, counts.pairs(5), seed=4000 * 1000 + 5).neurons
    assert len(control) == found.neurons[1]
    assert found.control[1, 0].item() == pytest.approx(accuracy_without(bundled, control))
    frame = found.to_frame()
    assert frame["draws"].eq(2).all()
    assert frame["more_than"].tolist() == ms
    row = frame.iloc[1]
    decreases = (found.original - found.control[1]) / found.original
    assert row["decrease"] == pytest.approx((found.original - found.accuracy[1].item()) / found.original)
    assert row["control_decrease"] == pytest.approx(decreases.mean().item(), abs=1e-6)
    assert row["control_spread"] == pytest.approx(decreases.std().item(), abs=1e-6)


def test_stop_keeps_whole_rounds(bundled, counts):
    seen = []

    def stop(done, total):
        seen.append(done / total)
        if done / total > 0.45:  # 1 + 2 sets + 2 * 2 draws: in the first draws
            raise Stopped

    part = ablate_shallow(bundled, PROMPTS, counts, [5, 8], draws=2, progress=stop)
    whole = ablate_shallow(bundled, PROMPTS, counts, [5, 8], draws=2)
    assert part.original == whole.original
    assert seen == sorted(seen)
    assert torch.equal(part.accuracy, whole.accuracy)
    assert part.control.isnan().any()
    assert torch.equal(part.control[~part.control.isnan()], whole.control[~part.control.isnan()])
    assert math.isnan(part.to_frame()["control_spread"][0])


def test_bad_input(bundled, counts):
    for arguments in ([], counts), (PROMPTS, counts, []), (PROMPTS, counts, [1], -1):
        with pytest.raises(UserError):
            ablate_shallow(bundled, *arguments)
    for layers in ([], [-1], [bundled.n_layers - 1]):
        with pytest.raises(UserError):
            shallow_counts(bundled, layers)
    with pytest.raises(UserError, match="plus"):
        shallow_counts(bundled, [0], signs="minus")
    for top in (0, bundled.n_vocab + 1):
        with pytest.raises(UserError):
            shallow_counts(bundled, [0], top)


def test_counts_are_kept_on_disk(bundled, tmp_path, monkeypatch):
    """A stopped count goes on where it was; the same question, of either sign, is not counted again; another one is."""
    monkeypatch.setenv("ABACUS_CACHE", str(tmp_path))
    whole = shallow_counts(bundled, range(0, 3), top=30)
    disk_cache.clear()

    def stop(done, total):
        if done == 3:
            raise Stopped

    with pytest.raises(Stopped):
        shallow_counts(bundled, range(0, 3), top=30, progress=stop)
    assert len(list(tmp_path.iterdir())) == 3
    assert torch.equal(shallow_counts(bundled, range(0, 3), top=30).count, whole.count)
    monkeypatch.setattr("core.vocabulary.shallow._count", None)  # whatever counts now fails
    assert torch.equal(shallow_counts(bundled, range(0, 3), top=30).count, whole.count)
    plus = shallow_counts(bundled, range(0, 3), top=30, signs="plus")
    assert (plus.count <= whole.count).all()
    assert not torch.equal(plus.count, whole.count)
    for other in ({"top": 31}, {"top": 30, "concepts": SHORT_LIST}, {"top": 30, "concepts": [5]}):
        with pytest.raises(TypeError):
            shallow_counts(bundled, range(0, 3), **other)
