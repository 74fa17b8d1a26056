"""Word lists: each says what it stands for, once."""

import pytest

from core.mediation.words import FACTS, NAMES, OPERATOR_WORDS, THINGS, THREE
from core.prompts.arithmetic import OPERATIONS, TEMPLATES
from tests.some import some


@pytest.mark.parametrize("operation", OPERATIONS)
def test_operator_words_stand_in_their_template_once(operation):
    for word, template in some(zip(OPERATOR_WORDS[operation], TEMPLATES[operation], strict=True)):
        assert template.split().count(word) == 1


@pytest.mark.parametrize("three", THREE, ids=lambda three: three[0])
def test_three_operands_are_worth_what_they_say(three):
    signs, sentence, ((first_word, second_word), (first_sign, second_sign)), value = three
    written = signs.format(a=7, o=first_sign, b=4, p=second_sign, c=3)
    names = {"+": "sum", "-": "difference", "*": "product"}
    assert (first_word, second_word) == (names[second_sign], names[first_sign])  # a sentence names the outer one first
    for field in "abcop":
        assert signs.count(f"{{{field}}}") == sentence.count(f"{{{field}}}") == 1
    assert value(7, 4, 3) == eval(written.removesuffix("="))


def test_facts_have_a_subject_and_one_word_for_an_end():
    for sentence, ends in FACTS.items():
        assert sentence.count("{subject}") == 1
        assert len(ends) >= 5
        assert len(set(ends.values())) == len(ends)  # no two subjects end alike: an end tells its subject
        assert all(word.isalpha() for pair in some(ends.items()) for word in pair)


@pytest.mark.parametrize("words", [NAMES, THINGS])
def test_lists_say_nothing_twice(words):
    assert len(set(words)) == len(words) > 10
    assert all(word.isalpha() for word in some(words))
