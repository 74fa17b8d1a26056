"""How shares are written, in sentences and on charts."""

import pytest

from pages.shared.words import from_to, of_n, percent, three_digits


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0, "0%"),
        (1, "100%"),
        (-1, "-100%"),
        (0.4786, "47.9%"),
        (12.3, "1230%"),
        (-0.5, "-50.0%"),
        (0.99966, "99.97%"),
        (0.9995, "99.95%"),
        (0.99949, "99.9%"),
        (0.99996, "99.996%"),
        (1 - 1e-7, ">99.999%"),
        (1.0004, "100.04%"),
        (1 + 1e-7, ">100%"),
        (1e-6, "<0.001%"),
        (-1e-6, ">-0.001%"),
        (0.00012345, "0.0123%"),
        (0.3 - 0.1 * 3, "0%"),
        (0.1 + 0.2 + 0.7, "100%"),
        (float("nan"), "–"),
        (float("inf"), "–"),
    ],
)
def test_percentages(value, text):
    assert percent(value) == text


def test_only_one_is_a_hundred_percent_and_only_zero_is_none():
    below = [1 - 10.0**-k for k in range(1, 9)] + [0.9 + 0.001 * k for k in range(100)]
    assert below
    assert not [v for v in below if percent(v) == "100%" or float(percent(v).strip("<>%")) > 100]
    assert not [k for k in range(1, 9) if percent(10.0**-k) == "0%" or percent(1 + 10.0**-k) == "100%"]


def test_two_shares_that_differ_never_read_the_same():
    assert from_to(0.5, 0.25) == "from 50.0% to 25.0%"
    assert from_to(0.999661, 0.999668) == "from 99.966% to 99.967%"
    assert from_to(1e-6, 2e-6).count("<") < 2
    assert from_to(1.0, 1.0) == "from 100% to 100%"


def test_an_accuracy_says_of_how_many():
    assert of_n(0.98, 50) == "98.0% of 50"
    assert of_n(1.0, 1200) == "100% of 1,200"


@pytest.mark.parametrize(("value", "text"), [(1.2e-10, "1.20e-10"), (0.0, "0"), (0.00123, "0.00123"), (1234.5, "1234")])
def test_small_numbers_keep_their_digits(value, text):
    assert three_digits(value) == text
