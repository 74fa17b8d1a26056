"""Which next tokens make a whole answer another number."""

import pytest

from core.prompts.endings import continues, number_form


@pytest.mark.parametrize("following", ["2", "23", ".5", ",000", "7 ", "\u0665"])
def test_digits_that_go_on(following):
    assert continues("digits", "45", following)


@pytest.mark.parametrize("following", ["", " 2", ".", ",", ". ", ".\n", "-", "+", "\n", "</s>", " apples", "th", "%"])
def test_digits_that_end(following):
    assert not continues("digits", "45", following)


@pytest.mark.parametrize(
    ("answer", "following"),
    [
        ("forty", " two"),
        ("forty", "two"),
        ("forty", "-"),
        ("forty", "-two"),
        ("two", " hundred"),
        ("one hundred", " Five"),
        ("six", "teen"),
        ("six", "ty"),
        ("seven", "t"),
        ("thirty four", "teen"),
    ],
)
def test_number_words_that_go_on(answer, following):
    assert continues("words", answer, following)


@pytest.mark.parametrize(
    ("answer", "following"),
    [
        ("forty", ""),
        ("forty", "."),
        ("forty", " -"),
        ("forty", " apples"),
        ("forty", " and"),
        ("six", " teen"),
        ("five", "teen"),
        ("eight", "\n"),
        ("eight", "</s>"),
        ("eight", " 2"),
    ],
)
def test_number_words_that_end(answer, following):
    assert not continues("words", answer, following)


def test_forms():
    assert [number_form(text) for text in ("45", "-7", "- 3 7", " 8")] == ["digits"] * 4
    assert [number_form(text) for text in ("forty two", "minus five", "Three hundred", "zero")] == ["words"] * 4
    assert [number_form(text) for text in ("Paris", "", "four legs", "4 legs", "-", "blue")] == [None] * 6
