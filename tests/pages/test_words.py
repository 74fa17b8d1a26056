"""Text that a person typed is shown as it was typed."""

import pytest

from pages.shared.words import mono, moved, of_n, plain


def visible(text: str) -> str:
    """What Markdown makes of backslash escapes, without the joiners."""
    out, i = "", 0
    while i < len(text):
        i += text[i] == "\\" and i + 1 < len(text) and not text[i + 1].isalnum()
        out, i = out + text[i], i + 1
    return out.replace("\u2060", "")


@pytest.mark.parametrize(
    "typed",
    [
        "costs $x$ and $y$",
        "**bold** _it_ `code`",
        "[a](http://b)",
        ":red[text]",
        "a :material/home: b",
        ":smile:",
        "# title",
        "1. one",
        "- dash",
        "> quote",
        "<b>",
        "~~gone~~",
        "a\\b",
        "&amp;",
        ":blue-background[x]",
    ],
)
def test_marks_are_escaped(typed):
    escaped = plain(typed)
    assert escaped != typed
    assert visible(escaped) == typed


@pytest.mark.parametrize(
    "typed", ["neuron 28_3696", "3 + 5 = 8", "3 * 5", "a: b", "Less of it (twice), 12.5%!", "3+5=", ""]
)
def test_plain_text_stays(typed):
    assert plain(typed) == typed


def test_pictures_do_not_come_back():
    """Streamlit puts emoji and icons in after escapes are resolved, so the name itself must be broken."""
    for typed in (":smile:", ":material/home:", "x:+1:y"):
        assert typed not in visible(plain(typed)) or "\u2060" in plain(typed)


def test_changes_and_shares_in_words():
    assert moved(0.123) == "rise by 12.3%"
    assert moved(-0.123) == "fall by 12.3%"
    assert moved(0.0) == "do not change"
    assert moved(float("nan")) == "cannot be compared"
    assert of_n(0.98, 1735) == "98.0% of 1,735"


def test_monospace_holds_what_was_typed():
    assert mono("a  $x$ :red[y]\nz") == "`a $x$ :red[y] z`"
    assert mono("a`b`") == "`a’b’`"
    assert mono(" ") == "`∅`"
