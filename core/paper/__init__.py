"""The tables of the CNA paper (Llama-7B), to show beside our own results, marked as the paper's."""

import json
from functools import cache
from pathlib import Path
from typing import Any

SOURCE = "Yu and Ananiadou (EMNLP 2024), Llama-7B"


@cache
def _tables() -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "tables.json").read_text(encoding="utf-8"))["tables"]


def table(number: int) -> dict[str, Any]:
    """One table as its title, unit, columns, rows and note."""
    return _tables()[str(number)]
