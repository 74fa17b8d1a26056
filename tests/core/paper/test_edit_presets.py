"""Presets of fine-tuning, pruning and gender bias hold the paper's own words."""

from core.paper.presets import preset
from core.paper.tables import table


def test_the_words_of_table_12_are_those_of_tables_22_and_23():
    words = preset("gender_bias", "Tables 12 and 13").settings["words"]
    assert words["first_words"] == tuple(table(23)["rows"]["woman"])
    assert words["second_words"] == tuple(table(23)["rows"]["man"])
    assert len(words["prompts"]) == 8
