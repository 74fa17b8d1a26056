"""Presets of head sweeps have as many cases as the paper's percentages say."""

import pytest

from core.forward.answers import question, token_cases
from core.paper.presets import preset
from core.paper.tables import table
from core.prompts.arithmetic import make_prompts
from tests.some import some


def test_table_1_has_1600_sentences():
    prompts = make_prompts(**preset("arithmetic_heads", "Table 1").settings["sweep"])
    assert len(prompts) == 1600
    for operation in "+-*/":
        mine = [p for p in prompts if p.operation == operation]
        assert len(mine) == 400
        assert {p.template for p in mine} == {0, 1, 2, 3}
        assert {p.form for p in mine} == {"digits", "words"}
        assert {p.digits for p in mine} == {2}


@pytest.mark.parametrize(("operation", "tokens"), [("+", 145), ("-", 100), ("*", 158), ("/", 90)])
def test_tables_24_to_27_have_as_many_one_digit_cases_as_their_percentages_say(bundled, operation, tokens):
    """The bundled model has one token for each digit, as Llama-7B has."""
    one = preset("arithmetic_heads", "Tables 2 and 24 to 27")
    prompts = make_prompts(**one.settings["sweep"])
    mine = [p for p in prompts if (p.operation, p.digits) == (operation, 1)]
    assert len(token_cases(bundled, [question(bundled, p) for p in mine])) == tokens
    stored = table({"+": 24, "-": 25, "*": 26, "/": 27}[operation])["rows"][f"1D{operation}"]
    for printed in [stored[0], *(accuracy for _, accuracy in some(stored[1:]))]:
        share = printed * tokens / 100
        near = min(abs(100 * cases / tokens - printed) for cases in (int(share), int(share) + 1))
        assert near < 0.1  # rounded, or cut off
