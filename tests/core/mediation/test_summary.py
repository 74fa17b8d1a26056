"""Averages against plain loops, and shares on tables made by hand."""

import math
from itertools import product

import numpy as np
import pytest

from core.errors import UserError
from core.mediation.draw import draw_pairs
from core.mediation.measure import mediate
from core.mediation.pairs import typed_pair
from core.mediation.summary import by_position, cells, ordered
from core.mediation.units import important_neurons
from core.neurons.compare import compare_prompts
from core.statistics.intervals import samples
from tests.some import some


@pytest.fixture(scope="module")
def found(bundled):
    return mediate(bundled, draw_pairs(bundled, count=8, templates=(0, 3)))


def test_cells_are_means_over_pairs_and_positions(bundled, found):
    table = cells(found)
    assert set(table["site"]) == {"ffn", "attention"}
    for site, layer, group in (("ffn", 1, "first operand"), ("attention", 4, "last"), ("ffn", 5, "others")):
        effects, wanted = [], []
        for pair, e in zip(found.pairs, found.effects[site], strict=True):
            for position, name in enumerate(pair.groups):
                if name == group:
                    effects.append(math.expm1(float(e.log_effect[layer, position])))
                    wanted.append(int(e.prediction[layer, position]) == pair.alternative_result)
        row = table[(table["site"] == site) & (table["layer"] == layer) & (table["group"] == group)].iloc[0]
        assert row["values"] == len(effects)
        assert row["wanted"] == pytest.approx(np.mean(wanted))
        assert row["mean"] == pytest.approx(np.mean(effects), rel=1e-4, abs=1e-6)
        geometric = math.exp(np.mean(np.log1p(effects))) - 1
        assert row["geometric mean"] == pytest.approx(geometric, rel=1e-4, abs=1e-6)
        interval = row["low"], row["high"]
        assert interval[0] <= row["geometric mean"] <= interval[1]
        assert interval[1] > interval[0]
        assert row["undesired"] == pytest.approx(row["wanted"] + row["unwanted"])  # every drawn base is right
    assert list(dict.fromkeys(table["group"])) == ["first operand", "operator", "second operand", "last", "others"]


def test_the_interval_of_a_cell_is_that_of_a_loop_over_resamples(bundled, found):
    table = cells(found, seed=3)
    row = table[(table["site"] == "ffn") & (table["layer"] == 6) & (table["group"] == "others")].iloc[0]
    logs = [
        [float(e.log_effect[6, at]) for at, name in enumerate(pair.groups) if name == "others"]
        for pair, e in zip(found.pairs, found.effects["ffn"], strict=True)
    ]
    means = []
    for counts in some(samples(len(logs), 3)[1:].int().tolist()):
        drawn = [value for mine, times in zip(logs, counts, strict=True) for value in mine * times]
        means.append(math.expm1(np.mean(drawn)) if drawn else math.nan)
    assert (row["low"], row["high"]) == pytest.approx(tuple(np.nanquantile(means, [0.025, 0.975])), rel=1e-4)
    alone = cells(mediate(bundled, [typed_pair(bundled, "3 + 5 =", "2 + 7 =")]))
    assert alone[["low", "high"]].isna().all(axis=None)


def test_rows_by_position(bundled, found):
    frame = by_position(found, "ffn")
    assert len(frame) == sum(bundled.n_layers * len(p.base_ids) for p in found.pairs)
    row = frame[(frame["pair"] == 3) & (frame["layer"] == 2) & (frame["position"] == 1)].iloc[0]
    assert row["base"] == found.pairs[3].base
    assert row["group"] == found.pairs[3].groups[1]
    assert row["effect"] == pytest.approx(float(found.effects["ffn"][3].effect[2, 1]))


def test_cells_by_the_authors_groups(bundled):
    """Their loop over rows, written out: before, first, between, second, after, last."""
    found = mediate(bundled, draw_pairs(bundled, count=4, templates=(1,)), ["ffn"])
    table = cells(found, grouping="CMA")
    assert list(dict.fromkeys(table["group"])) == ["early", "first operand", "middle", "second operand", "late", "last"]
    for layer, group in some(product((0, 5), set(table["group"]))):
        effects = []
        for pair, e in zip(found.pairs, found.effects["ffn"], strict=True):
            first, second = (
                max(i for i, g in enumerate(pair.groups) if g == f"{n} operand") for n in ("first", "second")
            )
            final = len(pair.groups) - 1
            for place in range(final + 1):
                if place < first:
                    named = "early"
                elif place in (first, second):
                    named = "first operand" if place == first else "second operand"
                elif place < second:
                    named = "middle"
                else:
                    named = "last" if place == final else "late"
                if named == group:
                    effects.append(math.expm1(float(e.log_effect[layer, place])))
        row = table[(table["site"] == "ffn") & (table["layer"] == layer) & (table["group"] == group)].iloc[0]
        assert row["mean"] == pytest.approx(np.mean(effects), rel=1e-4, abs=1e-6)
        assert row["values"] == len(effects)
        assert row["low"] <= row["geometric mean"] <= row["high"]
    rows = by_position(found, "ffn", "CMA")
    assert rows["group"].tolist()[: len(found.pairs[0].groups)] == list(found.pairs[0].groups_by("CMA"))
    with pytest.raises(UserError, match="roles, CMA"):
        cells(found, grouping="colour")


def test_order_of_groups():
    assert ordered(["others", "last", "operator", "first operand"]) == ["first operand", "operator", "last", "others"]
    assert ordered(["0 <s>", "1 3→2", "2 ="]) == ["0 <s>", "1 3→2", "2 ="]


def test_important_neurons_are_those_of_the_comparison(bundled):
    pair = typed_pair(bundled, "3 + 5 =", "2 + 7 =")
    told = []
    neurons = important_neurons(bundled, [pair], 7, lambda done, total: told.append((done, total)))
    assert neurons == compare_prompts(bundled, pair.base, pair.alternative, k=7).top(7)
    assert told == [(1, 1)]
    several = important_neurons(bundled, [pair, typed_pair(bundled, "3 + 4 =", "2 + 7 =")], 7)
    assert len(several) == len(set(several)) == 7
    with pytest.raises(UserError):
        important_neurons(bundled, [], 7)
