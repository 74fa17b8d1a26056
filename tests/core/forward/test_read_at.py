"""Where a prompt is read."""

from core.forward.read_at import END, read_at, reads_at


def test_at_its_end_or_after_a_picked_token(bundled):
    ids = tuple(bundled.encode_for_answer("3+5="))
    assert read_at(bundled, "3+5=", None) == read_at(bundled, "3+5=", END) == "3+5="
    assert read_at(bundled, "3+5=", 2) == ids[:3]
    assert reads_at(bundled, ["3+5=", "3+5="], [END, 0]) == ["3+5=", ids[:1]]
