"""Wordings and word lists: each says what it stands for, once."""

import pytest

from core.mediation.words import (
    COMMON_RELATIONS,
    ENTITIES,
    NAMES,
    OPERATOR_WORDS,
    RELATIONS,
    RETRIEVAL,
    THINGS,
    THREE,
    TWO,
)
from core.prompts.arithmetic import OPERATIONS, TEMPLATES
from tests.some import some


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operator_words_stand_in_their_template_once(operation):
    for word, template, wording in some(
        zip(OPERATOR_WORDS[operation], TEMPLATES[operation], TWO["CNA"][operation], strict=True)
    ):
        assert template.split().count(word) == 1
        assert wording.replace(f"[{word}]", word) == template


@pytest.mark.parametrize("wordings", [*TWO["CNA"].values(), *TWO["CMA"].values()])
def test_two_operands_and_their_operator_are_in_each_wording(wordings):
    for wording in some(wordings):
        assert [wording.count(part) for part in ("{a}", "{b}", "[", "]", "{")] == [1, 1, 1, 1, 2]
        assert wording.index("{a}") < wording.index("{b}")


@pytest.mark.parametrize("three", [*THREE["CNA"], *THREE["CMA"]], ids=lambda three: three.expression)
def test_three_operands_and_two_operators_are_in_each_wording(three):
    assert sum(three.expression.count(sign) for sign in "+-*/") == 2
    for wording in some(three.wordings):
        assert [wording.count(part) for part in ("{a}", "{b}", "{c}", "[", "{")] == [1, 1, 1, 2, 3]
        assert wording.index("{a}") < wording.index("{b}") < wording.index("{c}")


def test_as_many_as_the_authors_have():
    assert (len(THREE["CMA"]), len(RETRIEVAL["CMA"]), len(ENTITIES)) == (29, 8, 5)
    assert all(len(things) == 15 for things in some(ENTITIES.values()))
    assert len({three.expression for three in THREE["CMA"]}) == 29
    assert ENTITIES["vehicles"]["Bus"] == "Buses"


@pytest.mark.parametrize("wording", [*RETRIEVAL["CNA"], *RETRIEVAL["CMA"]])
def test_number_retrieval_gives_two_numbers_and_asks_for_one(wording):
    assert [wording.count(f"{{{part}}}") for part in ("x", "y", "things", "others", "asked")] == [1] * 5


def test_facts_have_a_subject_and_one_word_for_an_end():
    for name, relation in some(RELATIONS.items()):
        assert relation.wording.count("{subject}") == 1
        assert len(relation.facts) >= 5
        assert all(word.isalpha() for word in some(relation.facts.values()))
        assert all(word.replace(" ", "").isalpha() for word in some(relation.facts))
        if name in COMMON_RELATIONS:  # no two subjects end alike: an end tells its subject
            assert len(set(relation.facts.values())) == len(relation.facts)
    assert RELATIONS["capital of"].facts == {town: land for land, town in RELATIONS["capital"].facts.items()}


@pytest.mark.parametrize("words", [NAMES, THINGS])
def test_lists_say_nothing_twice(words):
    assert len(set(words)) == len(words) > 10
    assert all(word.isalpha() for word in some(words))
