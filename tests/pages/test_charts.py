"""What a chart's specification says, without drawing it."""

from collections.abc import Iterator

import pandas as pd
import pytest

from pages.logic_chain.charts import decrease_lines, kept_bars, shallow_bars, shallow_charts
from pages.logic_chain.shallow_set import no_more_than_chance
from pages.lora.charts import increase_by_band
from pages.mediation.charts import effect_map
from pages.pruning.charts import columns_beside
from pages.shared.charts import head_map, lens_strip, pattern_map, token_bars
from pages.what_if.charts import effect_bars, tokens_after, tokens_before
from tests.some import some

TOKENS = pd.DataFrame({"token": ["3", "1", '"\\', "1"], "probability": [0.99966, 3e-4, 3e-5, 1e-6]})
EDITED = pd.DataFrame(
    {"token": ["3", "1", "7"], "original": [0.9996, 4e-4, 0.0], "edited": [0.1, 0.2, 0.7], "change": [-0.9, 0.2, 0.7]}
)
LENS = pd.DataFrame({"after": ["input", *map(str, range(12))], "token": ["3"] * 13, "probability": [0.9998] * 13})
HEADS = pd.DataFrame(
    {
        "layer": [0, 0],
        "head": [0, 1],
        "name": ["0_0", "0_1"],
        "decrease": [0.9998, 0.0],
        "original": 0.9999,
        "intervened": [0.0002, 0.9999],
        "cases": 9,
        "selected": False,
        "paper": "-",
    }
)
CHARTS = {
    "token bars": token_bars(TOKENS, False),
    "lens": lens_strip(LENS, False),
    "original": tokens_before(EDITED, False),
    "edited": tokens_after(EDITED, False),
    "pattern": pattern_map(pd.DataFrame({"query": ["0 3"], "key": ["0 3"], "weight": [0.9998]}), False),
    "heads": head_map(HEADS, False, "decrease"),
    "mask": decrease_lines(pd.DataFrame({"measure": ["mask"], "k": [9], "decrease": [0.9998], "cases": [5]}), False),
    "shallow": shallow_bars(
        pd.DataFrame(
            {"name": ["M = 9", "M = 10"], "set": "found by the filter", "decrease": [0.9998, 0.5], "neurons": [4, 3]}
        ),
        False,
    ),
}


def parts(spec) -> Iterator[dict]:
    """Every object inside a specification."""
    if isinstance(spec, dict):
        yield spec
        for value in spec.values():
            yield from parts(value)
    elif isinstance(spec, list):
        for value in spec:
            yield from parts(value)


PATCHED = pd.DataFrame({"layer": 0, "group": ["10", "9"], "value": 0.5, "shown": 0.5, "name": "-", "selected": False})
KEPT = pd.DataFrame({"name": ["M = 0", "M = 1"], "neurons": [5, 40], "by_chance": [9.5, 30.0]})
ELSEWHERE = {
    "effects": effect_map(PATCHED, False, "ffn", 1.0, "share", "share of pairs"),
    "band": increase_by_band(pd.DataFrame({"band": ["0 to 9", "10 to 12"], "top": "9", "increase": 0.5}), False),
    "kept": kept_bars(KEPT, False),
    "columns": columns_beside(pd.DataFrame({"column": "CNA", "whose": ["ours", "paper"], "accuracy": 0.5}), False),
}


@pytest.mark.parametrize("name", [*CHARTS, *ELSEWHERE])
def test_no_chart_leaves_its_order_to_the_data(name):
    """`sort: null` keeps the rows of the data that were drawn before when only the data change."""
    channels = [part for part in parts((CHARTS | ELSEWHERE)[name].to_dict()) if "field" in part and "type" in part]
    assert channels
    assert not [c for c in channels if "sort" in c and c["sort"] is None]


@pytest.mark.parametrize("name", CHARTS)
def test_shares_are_written_in_words(name):
    """Vega's percent format with three digits says 100% of 99.98%."""
    spec = CHARTS[name].to_dict()
    assert not [part for part in parts(spec) if str(part.get("format", "")).endswith("~p")]
    texts = [str(v) for rows in spec["datasets"].values() for row in rows for k, v in row.items() if "_text" in k]
    assert texts
    assert "100%" not in texts


@pytest.mark.parametrize(("kl", "end"), [(1e-13, 1.0), (0.0, 1.0), (0.25, 0.25)])
def test_an_axis_shows_no_rounding_errors_as_effects(kl, end):
    spec = effect_bars(pd.DataFrame({"edit": ["head 3_0"], "measure": ["alone"], "kl": [kl]}), False).to_dict()
    assert spec["encoding"]["x"]["scale"]["domain"] == [0, end]


@pytest.mark.parametrize(("name", "n"), [("token bars", 4), ("original", 3), ("edited", 3)])
def test_token_bars_stand_by_rank_whatever_the_tokens_are(name, n):
    spec = CHARTS[name].to_dict()
    places = [part["y"] for part in parts(spec) if "y" in part]
    assert places
    assert all(y["field"] == "rank" for y in some(places))
    rows = next(rows for rows in spec["datasets"].values())
    assert [row["rank"] for row in rows] == list(range(n))


def test_only_what_exceeds_chance_is_coloured():
    """5 neurons where chance gives 9.5: one grey bar; 40 where it gives 30: grey to there, teal above."""
    spec = kept_bars(KEPT, False).to_dict()
    rows = next(rows for rows in spec["datasets"].values() if "part" in rows[0])
    assert [(row["name"], row["part"].split()[0], row["low"], row["high"]) for row in rows] == [
        ("M = 0", "as", 0.0, 5.0),
        ("M = 1", "as", 0.0, 30.0),
        ("M = 1", "more", 30.0, 40.0),
    ]


def test_what_chance_explains_is_said():
    assert no_more_than_chance(KEPT) == ["At M = 0 the filter keeps no more neurons than chance gives."]
    assert no_more_than_chance(KEPT[KEPT["neurons"] > 9]) == []


def test_the_downloaded_charts_keep_their_own_colours():
    lost = pd.DataFrame({"name": ["M = 0"], "set": "found by the filter", "decrease": [0.5], "neurons": [5]})
    spec = shallow_charts(KEPT, lost, False).to_dict()
    assert spec["resolve"] == {"scale": {"color": "independent"}}
    assert len(spec["hconcat"]) == 2
