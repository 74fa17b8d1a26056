"""Presets: the settings that the papers' tables were measured with."""

import pytest

from core.errors import UserError
from core.paper.models import DIMENSIONS
from core.paper.presets import PRESETS, preset, presets_of
from core.paper.tables import table
from core.prompts.arithmetic import make_prompts
from core.vocabulary.concepts import CONCEPT_LISTS
from core.vocabulary.shallow import SIGNS
from tests.some import some

PAGES = ("arithmetic_heads", "logic_chain", "lora_comparison", "pruning", "gender_bias")


def test_every_page_has_presets_with_names_of_their_own():
    for page in PAGES:
        names = [one.name for one in some(presets_of(page))]
        assert len(set(names)) == len(names)
    assert {one.page for one in PRESETS} == set(PAGES)


def test_they_are_about_tables_of_their_model():
    for one in some(one for one in PRESETS if one.tables):
        assert {table(number)["model"] for number in one.tables} == {one.model}
    wanted = set(range(1, 28)) - {14, 22, 23}  # the prompts and words themselves
    assert wanted == {number for one in PRESETS for number in one.tables}


def test_their_heads_are_in_their_model():
    for one in some(one for one in PRESETS if one.heads):
        dimensions = DIMENSIONS[one.model]
        assert all(layer < dimensions.n_layers and head < dimensions.n_heads for layer, head in some(one.heads))


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
def test_tables_24_to_27_have_as_many_one_digit_cases_as_their_percentages_say(operation, tokens):
    """With one token for each digit, as Llama's tokenizer has."""
    one = preset("arithmetic_heads", "Tables 2 and 24 to 27")
    prompts = make_prompts(**one.settings["sweep"])
    mine = [p for p in prompts if (p.operation, p.digits) == (operation, 1)]
    assert sum(len(p.answer) for p in mine) == tokens
    stored = table({"+": 24, "-": 25, "*": 26, "/": 27}[operation])["rows"][f"1D{operation}"]
    for printed in [stored[0], *(accuracy for _, accuracy in some(stored[1:]))]:
        share = printed * tokens / 100
        near = min(abs(100 * cases / tokens - printed) for cases in (int(share), int(share) + 1))
        assert near < 0.1  # rounded, or cut off


def test_the_words_of_table_12_are_those_of_tables_22_and_23():
    words = preset("gender_bias", "Tables 12 and 13").settings["words"]
    assert words["first_words"] == tuple(table(23)["rows"]["woman"])
    assert words["second_words"] == tuple(table(23)["rows"]["man"])
    assert len(words["prompts"]) == 8


@pytest.mark.parametrize(
    ("name", "question", "cases"),
    [("Tables 5 and 6", "deep set", {"+": 145, "-": 100}), ("Tables 15 and 16", "deep set", {"/": 90})],
)
def test_the_sets_of_the_logic_chain_are_all_one_digit_cases(name, question, cases):
    settings = preset("logic_chain", name).settings[question]
    prompts = make_prompts(**settings)
    assert {o: sum(len(p.answer) for p in prompts if p.operation == o) for o in settings["operations"]} == cases


@pytest.mark.parametrize(("name", "tokens"), [("Table 8", 245), ("Table 17", 90)])
def test_the_shallow_sets_are_all_one_digit_cases(name, tokens):
    settings = preset("logic_chain", name).settings["shallow set"]
    operations, digits = settings["prompts"]
    assert sum(len(p.answer) for p in make_prompts(operations, digits, count=settings["count"])) == tokens
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


def test_an_unknown_preset_is_refused():
    with pytest.raises(UserError, match="Table 1"):
        preset("arithmetic_heads", "Table 99")
