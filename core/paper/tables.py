"""The tables of the CNA paper as dicts and DataFrames, to show beside our own results, marked as the paper's."""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

SOURCE = "Yu and Ananiadou (EMNLP 2024), Llama-7B"

#: Tables 24 to 27: the accuracy without each of the five most important heads, by operation.
TOP_HEADS = {"+": 24, "-": 25, "*": 26, "/": 27}
#: Columns of the tidy tables of heads, of the paper and our own.
HEAD_COLUMNS = ["operation", "digits", "rank", "head", "baseline", "accuracy", "decrease"]
_PLACES = ["all heads", "1st head", "2nd", "3rd", "4th", "5th"]


@cache
def stored() -> dict[str, Any]:
    """The whole file: its tables by number, and what the notebooks print."""
    return json.loads((Path(__file__).parent / "tables.json").read_text(encoding="utf-8"))


def table(number: int) -> dict[str, Any]:
    """One table as its title, model, unit, columns, rows and note."""
    return stored()["tables"][str(number)]


def source_of(number: int) -> str:
    """Who printed a table, and of which model."""
    return f"Yu and Ananiadou (EMNLP 2024), {table(number)['model']}"


def frame(number: int) -> pd.DataFrame:
    """One table as it is printed: its rows and columns, tokens joined to one text.

    In tables 24 to 27 a cell is a head and the accuracy without it: "17_22: 47.6".
    """
    printed = table(number)
    if number in TOP_HEADS.values():
        rows = {
            name: [str(original), *(f"{head}: {accuracy}" for head, accuracy in heads)]
            for name, (original, *heads) in printed["rows"].items()
        }
        return pd.DataFrame.from_dict(rows, orient="index", columns=_PLACES)
    rows = {name: [_text(value) for value in row] for name, row in printed["rows"].items()}
    named, longest = printed["columns"], max(len(row) for row in rows.values())
    columns = named if longest == len(named) else [str(number) for number in range(1, longest + 1)]  # a list of words
    return pd.DataFrame.from_dict(rows, orient="index", columns=columns)


def _text(value: Any) -> Any:
    return " ".join(value) if isinstance(value, list) else value


def decrease_by_head(number: int, row: str) -> dict[str, float]:
    """Relative decrease without each head of table 1 or 18, in one of its rows ("all", "2D+")."""
    printed = table(number)
    original, *without = printed["rows"][row]
    return {head: 1 - value / original for head, value in zip(printed["columns"][1:], without, strict=True)}


def top_heads() -> pd.DataFrame:
    """Tables 24 to 27 as one tidy table of shares.

    Columns: operation, digits, rank (from 1), head, baseline (with all heads), accuracy (without the head), decrease
    (relative).
    """
    rows = [
        (operation, int(name[0]), rank, head, original / 100, accuracy / 100, (original - accuracy) / original)
        for operation, number in TOP_HEADS.items()
        for name, (original, *heads) in table(number)["rows"].items()
        for rank, (head, accuracy) in enumerate(heads, start=1)
    ]
    return pd.DataFrame(rows, columns=HEAD_COLUMNS)
