"""A part of longer work tells its share of the whole."""

from core.progress import part


def test_a_part_goes_from_its_beginning_to_its_end():
    told = []
    inner = part(lambda done, total: told.append(done / total), 0.2, 0.6)
    for done in range(5):
        inner(done, 4)
    assert told == [0.2, 0.3, 0.4, 0.5, 0.6]


def test_parts_nest_and_an_empty_part_is_at_its_beginning():
    told = []
    outer = part(lambda done, total: told.append(done / total), 0.5, 1.0)
    part(outer, 0.5, 1.0)(1, 2)
    part(outer, 0.5, 1.0)(0, 0)
    assert told == [0.875, 0.75]
