"""The authors' measures beside IE against their formulas in plain probabilities, and undesired changes."""

from dataclasses import replace

import pytest
import torch

from core.mediation.measure import indirect_effects, mediate
from core.mediation.pairs import typed_pair
from core.mediation.probability_changes import PROBABILITY_CHANGES
from core.mediation.summary import by_position, cells
from core.mediation.units import head_effects
from tests.some import some

BASE, OTHER = "3 + 5 =", "2 + 7 ="


def by_hand(name, p, p_other, q, q_other):
    """From P(r), P(r'), P*(r), P*(r')."""
    return {
        "absolute difference": (p - q) + (q_other - p_other),
        "gain of r′": q_other - p_other,
        "change of r": abs(p - q),
        "relative gain of r′": (q_other - p_other) / p_other,
        "odds ratio": (q_other / q) / (p_other / p) - 1,
    }[name]


@pytest.mark.parametrize("name", list(PROBABILITY_CHANGES))
def test_each_is_its_formula(name):
    base, patched = torch.tensor([0.7, 0.02]), torch.tensor([[0.2, 0.6], [0.7, 0.02], [0.75, 0.01]])
    found = PROBABILITY_CHANGES[name].of(base.log(), patched.log())
    for there, (q, q_other) in zip(some(found.tolist()), patched.tolist(), strict=True):
        assert there == pytest.approx(by_hand(name, 0.7, 0.02, q, q_other), rel=1e-4, abs=1e-6)
    assert found[1].item() == pytest.approx(0.0, abs=1e-6)


@pytest.mark.parametrize("name", list(PROBABILITY_CHANGES))
def test_as_the_measured_quantity_and_in_tables(bundled, name):
    found = indirect_effects(bundled, BASE, OTHER, metric=name)
    default = indirect_effects(bundled, BASE, OTHER)
    assert found.metric == name
    assert torch.equal(found.effect, default.effect)
    p, p_other = found.clean[0].exp().tolist()
    for layer, position in some([(0, 1), (5, 3), (7, 4)]):
        q, q_other = found.patched[layer, position].exp().tolist()
        wanted = by_hand(name, p, p_other, q, q_other)
        assert found.change[layer, position].item() == pytest.approx(wanted, rel=1e-3, abs=1e-5)
    q, q_other = found.clean[1].exp().tolist()
    assert found.value_clean[1].item() == pytest.approx(by_hand(name, p, p_other, q, q_other), rel=1e-3)
    assert default.to_frame()[name].to_numpy() == pytest.approx(found.change.flatten().numpy(), rel=1e-5, abs=1e-7)


def test_means_in_tables(bundled):
    pairs = [typed_pair(bundled, BASE, OTHER), typed_pair(bundled, "3 + 4 =", "2 + 6 =")]
    pairs = [replace(pair, groups=("others",) * 4 + ("last",)) for pair in pairs]
    found = mediate(bundled, pairs, ("ffn",))
    table = cells(found).set_index(["layer", "group"])
    rows = by_position(found, "ffn")
    heads = head_effects(bundled, pairs)
    for name, change in some(PROBABILITY_CHANGES.items()):
        mine = rows[(rows["layer"] == 7) & (rows["group"] == "others")][name]
        assert len(mine) == 8
        assert table.loc[(7, "others"), name] == pytest.approx(mine.mean())
        head = [float(change.of(e.clean[0], e.patched)[13]) for e in heads.effects]
        assert heads.to_frame()[name][13] == pytest.approx(sum(head) / 2)


def test_undesired_changes_are_all_of_a_right_prediction(bundled):
    found = indirect_effects(bundled, BASE, OTHER, "residual")
    assert found.wanted.any()
    assert torch.equal(found.undesired, found.wanted | found.unwanted)
    wrong = indirect_effects(bundled, BASE, OTHER, "residual", base_result="1")  # 3 + 5 is not 1
    assert (wrong.wanted | wrong.unwanted).any()
    assert not wrong.undesired.any()
