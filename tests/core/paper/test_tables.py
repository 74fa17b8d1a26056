"""The paper's tables: what is shown equals what is stored, number by number."""

import json
from pathlib import Path

import pytest

from core import paper
from core.paper.tables import HEAD_COLUMNS, TOP_HEADS, decrease_by_head, source_of, top_heads
from tests.some import some

STORED = json.loads(Path(paper.__file__).with_name("tables.json").read_text(encoding="utf-8"))["tables"]


def test_every_table_is_there():
    assert list(STORED) == [str(number) for number in range(1, 28)]
    assert {table["model"] for table in STORED.values()} == {"Llama-7B", "GPT-J"}
    assert [int(n) for n, table in STORED.items() if table["model"] == "GPT-J"] == [18, 19, 20, 21]
    assert source_of(18).endswith("GPT-J")


@pytest.mark.parametrize("number", range(1, 28))
def test_a_frame_holds_the_stored_numbers(number):
    stored, frame = STORED[str(number)], paper.frame(number)
    assert list(frame.index) == list(stored["rows"])
    for name, row in some(stored["rows"].items()):
        if number in TOP_HEADS.values():
            assert frame.loc[name].tolist() == [str(row[0]), *(f"{head}: {value}" for head, value in row[1:])]
        else:
            wanted = [" ".join(value) if isinstance(value, list) else value for value in row]
            assert frame.loc[name].tolist() == wanted


def test_the_top_heads_are_those_of_tables_24_to_27():
    frame = top_heads()
    assert list(frame.columns) == HEAD_COLUMNS
    assert len(frame) == 4 * 3 * 5
    for row in some(frame.itertuples()):
        original, *heads = STORED[str(TOP_HEADS[row.operation])]["rows"][f"{row.digits}D{row.operation}"]
        head, accuracy = heads[row.rank - 1]
        assert row.head == head
        assert 100 * row.baseline == pytest.approx(original)
        assert 100 * row.accuracy == pytest.approx(accuracy)
        assert row.decrease == pytest.approx(1 - accuracy / original)


def test_table_2_follows_from_tables_24_to_27():
    """Its decreases are relative; the paper's own three-digit rows differ by up to 4 points and are left out."""
    frame = top_heads().set_index(["operation", "digits", "head"])
    printed = STORED["2"]
    for column, head in enumerate(some(printed["columns"])):
        name, operation = head[:-3], head[-2]
        for digits in (1, 2):
            shown = printed["rows"][f"{digits}D"][column]
            assert 100 * frame.loc[(operation, digits, name), "decrease"] == pytest.approx(shown, abs=0.06)


@pytest.mark.parametrize(("number", "row"), [(1, "all"), (1, "2D/"), (18, "all"), (18, "2D-")])
def test_decreases_by_head(number, row):
    stored = STORED[str(number)]
    original, *values = stored["rows"][row]
    found = decrease_by_head(number, row)
    assert list(found) == stored["columns"][1:]
    assert [100 * (1 - share) for share in found.values()] == pytest.approx([100 * v / original for v in values])
