"""The top five heads of our own sweep, as the paper prints its own."""

import pandas as pd
import pytest

from core.heads.accuracy import sweep_accuracy
from core.heads.top_heads import top_heads
from core.paper.tables import HEAD_COLUMNS
from core.prompts.arithmetic import make_prompts
from tests.some import some


def test_they_are_the_heads_with_the_lowest_accuracy(bundled):
    swept = sweep_accuracy(bundled, make_prompts(["-", "+"], [1, 2], count=8))
    frame = top_heads(swept.to_frame())
    assert list(frame.columns) == HEAD_COLUMNS
    assert list(dict.fromkeys(frame["operation"])) == ["-", "+"]  # in the order of the sweep
    groups = list(frame.groupby(["operation", "digits"]))
    assert len(groups) == 4
    for (operation, digits), rows in some(groups):
        members = [i for i, p in enumerate(swept.prompts) if (p.operation, p.digits) == (operation, digits)]
        original, without = swept.accuracy(members)
        assert rows["rank"].tolist() == [1, 2, 3, 4, 5]
        assert rows["accuracy"].tolist() == pytest.approx(without.flatten().sort().values[:5].tolist())
        assert set(rows["baseline"]) == {original}
        for row in some(rows.itertuples()):
            layer, head = map(int, row.head.split("_"))
            assert row.accuracy == float(without[layer, head])
            assert row.decrease == pytest.approx(1 - row.accuracy / original)


def swept(**columns) -> pd.DataFrame:
    rows = {"operation": "+", "digits": 1, "layer": [1, 0, 0], "head": [0, 1, 0], "baseline": 0.5, "decrease": 0.0}
    return pd.DataFrame({**rows, "accuracy": [0.4, 0.4, 0.4], **columns})


def test_ties_are_in_order_of_layer_and_head():
    assert top_heads(swept(), 2)["head"].tolist() == ["0_0", "0_1"]


def test_a_group_without_a_right_answer_is_left_out():
    frame = top_heads(swept(baseline=0.0, accuracy=0.0, decrease=float("nan")))
    assert frame.empty
    assert list(frame.columns) == HEAD_COLUMNS
