"""The root at zero over a set, by edited weights and one case at a time."""

import math
from dataclasses import replace

import pytest
import torch

from core.ablation.root import ablate_root
from core.errors import UserError
from core.neurons.root import root_of
from tests import plain
from tests.core.ablation.small_set import KS, PROMPTS, stopped_and_whole
from tests.some import some


def test_equals_edited_weights_token_by_token(bundled, compare):
    found = ablate_root(bundled, PROMPTS, compare, KS)
    for i in some(found.measured.nonzero()[:, 0].tolist()):
        case = found.cases.tokens[i]
        c = compare(case.ids, case.token)
        for at, k in enumerate(KS):
            top = list(zip(c.pairs[:k], c.importance_first[:k].tolist(), c.coefficient_first[:k].tolist(), strict=True))
            bottom = min(layer for (layer, _), _, _ in top)
            root = max((row for row in top if row[0][0] == bottom), key=lambda row: row[1])[0]
            assert tuple(found.root[i, at].tolist()) == root
            with plain.without_neurons(bundled.model, [root]):
                after = plain.run(bundled.model, case.ids).coefficient
            others = [(pair, m) for pair, _, m in top if pair != root]
            whole = sum(abs(m) for _, m in others)
            rest = sum(math.copysign(1, m) * after[pair].item() for pair, m in others)
            if others:
                assert found.decrease[i, at].item() == pytest.approx(1 - rest / whole, abs=1e-4)
            else:
                assert math.isnan(found.decrease[i, at])
    frame = found.to_frame()
    assert frame["k"].tolist() == KS
    assert math.isnan(frame["decrease"][2])
    measured = found.decrease[found.measured, 0]
    assert frame["decrease"][0] == pytest.approx(measured.mean().item(), abs=1e-6)
    assert frame["median"][0] == pytest.approx(measured.quantile(0.5).item(), abs=1e-6)
    cases = found.cases_frame()
    assert len(cases) == int(found.measured.sum()) * len(KS)
    assert list(zip(cases["layer"], cases["neuron"], strict=True))[-1] == tuple(
        found.root[found.measured][-1, -1].tolist()
    )
    assert {"number", "prompt", "answer", "place", "token", "k", "decrease"} < set(cases)


def test_stop_keeps_what_is_measured(bundled, compare):
    part, whole = stopped_and_whole(lambda progress: ablate_root(bundled, PROMPTS, compare, KS, progress))
    assert torch.equal(part.root[part.measured], whole.root[part.measured])


def test_root_is_the_most_important_of_the_lowest_layer(bundled, compare):
    c = compare(bundled.encode("3+5="), bundled.encode("8")[-1])
    layer = torch.full_like(c.layer, 6)
    layer[3], layer[8], layer[9] = 5, 5, 4
    importance = c.importance_first.clone()
    importance[3], importance[8] = 0.25, 0.5
    made = replace(c, layer=layer, importance_first=importance)

    def root(k: int) -> tuple[int, int]:
        return root_of(made.top(k), made.importance_first[:k])

    assert root(9) == (5, int(c.neuron[8]))
    assert root(10) == (4, int(c.neuron[9]))
    assert root(8) == (5, int(c.neuron[3]))
    assert root(3)[0] == 6


def test_bad_input(bundled, compare):
    for call in lambda: ablate_root(bundled, [], compare), lambda: ablate_root(bundled, PROMPTS, compare, ks=[61]):
        with pytest.raises(UserError):
            call()
