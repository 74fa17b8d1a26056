"""Presets of the logic chain: all one-digit cases, and what the paper's percentages fit."""

import pytest

from core.forward.answers import question, token_cases
from core.paper.presets import preset
from core.paper.tables import table
from core.prompts.arithmetic import make_prompts
from core.vocabulary.concepts import CONCEPT_LISTS
from core.vocabulary.shallow import SIGNS


@pytest.mark.parametrize(
    ("name", "asked", "cases"),
    [("Tables 5 and 6", "deep set", {"+": 145, "-": 100}), ("Tables 15 and 16", "deep set", {"/": 90})],
)
def test_the_sets_of_the_logic_chain_are_all_one_digit_cases(bundled, name, asked, cases):
    settings = preset("logic_chain", name).settings[asked]
    prompts = make_prompts(**settings)
    found = {o: [question(bundled, p) for p in prompts if p.operation == o] for o in settings["operations"]}
    assert {o: len(token_cases(bundled, mine)) for o, mine in found.items()} == cases


@pytest.mark.parametrize(("name", "tokens"), [("Table 8", 245), ("Table 17", 90)])
def test_the_shallow_sets_are_all_one_digit_cases(bundled, name, tokens):
    settings = preset("logic_chain", name).settings["shallow set"]
    operations, digits = settings["prompts"]
    prompts = make_prompts(operations, digits, count=settings["count"])
    assert len(token_cases(bundled, [question(bundled, p) for p in prompts])) == tokens
    assert settings["counted"] in CONCEPT_LISTS
    assert settings["signs"] in SIGNS
    assert [f"M={m}" for m in settings["more_than"]] == table(8)["columns"]


@pytest.mark.parametrize(
    ("name", "cases"),
    [
        ("Tables 5 and 6", 76),
        ("Table 8", 76),
        ("Tables 15 and 16", 39),
        ("Table 17", 39),
        ("Tables 19 and 20 (GPT-J)", 24),
        ("Table 21 (GPT-J)", 24),
    ],
)
def test_the_notes_name_the_smallest_number_of_cases_that_fits(name, cases):
    one = preset("logic_chain", name)
    assert f"percentages fit {cases} cases" in one.note
    rows = table(one.tables[0])["rows"]
    shares = [share for row, values in rows.items() if row not in ("coef", "number") for share in values]

    def fits(n):
        return all(min(abs(100 * c / n - p) for c in (int(p * n / 100), int(p * n / 100) + 1)) <= 0.1 for p in shares)

    assert [n for n in range(10, cases + 1) if fits(n)] == [cases]
