"""Relative importance against plain loops over cells: ours, and as the authors' notebook computes it."""

import math

import numpy as np
import pytest
import torch

from core.errors import UserError
from core.mediation.draw import draw_pairs
from core.mediation.importance import (
    authors_share,
    largest_pair,
    relative_importances,
)
from core.mediation.measure import Mediation, mediate
from core.mediation.pairs import typed_pair
from core.statistics.intervals import samples
from tests.core.mediation.made import SUM, effects_of, pair_of, random_mediation
from tests.some import some

SHORT = ("first operand", "operator", "operator", "second operand", "others")


def mean_of(found, site, layer, groups, group):
    """Arithmetic mean of IE over all pairs and positions of a group."""
    values = [
        float(e.effect[layer, at])
        for e, mine in zip(found.effects[site], groups, strict=True)
        for at, name in enumerate(mine)
        if name == group
    ]
    return np.mean(values)


def by_the_notebook(found, groups, classes, n_layers, site="ffn"):
    """Rows are the embedding and the layers; every cell at least 0.1; the late rows begin at half of their number."""
    rows = ([("embedding", 0)] if site == "ffn" else []) + [(site, layer) for layer in range(n_layers)]
    matrix = {c: np.array([max(mean_of(found, s, layer, groups, c), 0.1) for s, layer in rows]) for c in classes}
    total = sum(np.log(column + 1).sum() for column in matrix.values())
    return np.log(matrix["last"][int(len(rows) / 2) :] + 1).sum() / total


@pytest.mark.parametrize("n_layers", [2, 3, 4, 7])
@pytest.mark.parametrize("site", ["ffn", "attention"])
def test_the_authors_share_is_that_of_a_loop(n_layers, site):
    found = random_mediation([SUM, SHORT, SUM], n_layers, seed=n_layers)
    groups = [pair.cma_groups for pair in found.pairs]
    classes = {name for mine in groups for name in mine}
    assert classes == {"early", "first operand", "middle", "second operand", "late", "last"}
    wanted = by_the_notebook(found, groups, classes, n_layers, site)
    assert relative_importances(found, n_layers, site).authors.value == pytest.approx(wanted)


def test_their_late_half_has_one_layer_more_than_ours():
    """With an effect at the last position of one layer only: which layers count as late?"""
    for n_layers, theirs, ours in ((4, 1, 2), (7, 3, 4), (28, 13, 14)):
        late = {"authors": [], "ours": []}
        for layer in range(n_layers):
            effect = torch.zeros(n_layers, len(SHORT))
            effect[layer, -1] = 1e6
            effects = {"embedding": [effects_of("embedding", torch.zeros(1, len(SHORT)))]}
            found = Mediation([pair_of(SHORT)], 1, effects | {"ffn": [effects_of("ffn", effect)]})
            shares = relative_importances(found, n_layers)
            late["ours"] += [layer] if shares.mean.value == 1 else []
            everything = math.log(1e6 + 1) + (4 * (n_layers + 1) - 1) * math.log(1.1)  # 4 groups; a floor in each cell
            late["authors"] += [layer] if shares.authors.value > 10 / everything else []
        assert min(some(late["authors"])) == theirs == int((n_layers + 1) / 2) - 1
        assert min(some(late["ours"])) == ours


def test_ours_by_hand():
    e = math.e - 1  # log(IE + 1) is 1
    effect = torch.zeros(3, len(SHORT))
    effect[0, 0], effect[1, 4], effect[2, 4], effect[2, 0] = e, e, math.e**2 - 1, -0.5
    embedding = effects_of("embedding", torch.full((1, len(SHORT)), 9.0))  # no part of ours
    found = Mediation([pair_of(SHORT)], 1, {"embedding": [embedding], "ffn": [effects_of("ffn", effect)]})
    shares = relative_importances(found, 3)
    assert shares.mean.value == pytest.approx(2 / 4)  # of 3 layers only the last is late
    assert shares.geometric.value == pytest.approx(2 / 4)  # one pair: both averages are the same
    assert math.isnan(shares.mean.low)
    none = Mediation([pair_of(SHORT)], 1, {"ffn": [effects_of("ffn", torch.zeros(3, len(SHORT)))]})
    assert math.isnan(relative_importances(none, 3).mean.value)
    assert relative_importances(none, 3).authors is None  # the embedding was not measured
    with pytest.raises(UserError, match="Measure it too"):
        authors_share(none, "ffn", samples(1))


def test_intervals_are_those_of_resampled_mediations():
    found = random_mediation([SUM, SHORT, SUM, SHORT, SUM], 4)
    shares = relative_importances(found, 4, seed=5)
    alone = {"geometric": [], "mean": [], "authors": []}
    for counts in samples(5, 5)[1:40].int().tolist():
        chosen = [pair for pair, times in enumerate(counts) for _ in range(times)]
        again = Mediation(
            [found.pairs[i] for i in chosen], 5, {s: [e[i] for i in chosen] for s, e in found.effects.items()}
        )
        if len({len(found.pairs[i].groups) for i in chosen}) < 2:  # else groups are absent, not without an effect
            continue
        there = relative_importances(again, 4)
        for name, values in some(alone.items()):
            values.append(getattr(there, name).value)
    for name, values in some(alone.items()):
        whole = getattr(shares, name)
        assert whole.low < whole.value < whole.high
        inside = np.mean([whole.low <= value <= whole.high for value in some(values)])
        assert inside > 0.85
    assert relative_importances(found, 4, seed=5) == shares
    assert relative_importances(found, 4, seed=6).mean != shares.mean


def test_the_bundled_model(bundled):
    pairs = draw_pairs(bundled, count=6)
    found = mediate(bundled, pairs, ("embedding", "ffn"))
    shares = relative_importances(found, bundled.n_layers)
    groups = [pair.cma_groups for pair in pairs]
    names = {name for mine in groups for name in mine}
    assert shares.authors.value == pytest.approx(by_the_notebook(found, groups, names, bundled.n_layers), rel=1e-4)
    typed = mediate(bundled, [typed_pair(bundled, "3 + 5 =", "2 + 7 =")], ("embedding", "ffn"))
    there = relative_importances(typed, bundled.n_layers)
    assert there.authors is None
    weights = np.log1p(typed.effects["ffn"][0].effect.clamp(min=0).double().numpy())
    assert there.mean.value == pytest.approx(weights[bundled.n_layers // 2 :, -1].sum() / weights.sum(), rel=1e-4)


def test_the_largest_pair():
    found = Mediation(
        [pair_of(SHORT)] * 3,
        3,
        {
            "ffn": [
                effects_of("ffn", torch.tensor([[0.0] * 4 + [a], [0.0] * 4 + [b]]))
                for a, b in ((1.0, 6.0), (2.0, -0.5), (1.0, 2.0))
            ]
        },
    )
    found_there = largest_pair(found, "ffn")
    assert (found_there.layer, found_there.pair) == (1, 0)
    assert found_there.share == pytest.approx(6 / 8)
    none = Mediation([pair_of(SHORT)], 1, {"ffn": [effects_of("ffn", torch.zeros(2, 5))]})
    assert largest_pair(none, "ffn") is None
