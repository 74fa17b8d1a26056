"""A part of longer work tells its share of the whole."""

from core.progress import part


def test_a_part_goes_from_its_beginning_to_its_end():
    told = []
    inner = part(lambda done, total: told.append((done, total)), 1, 5, 2)
    for done in range(5):
        inner(done, 4)
    assert told == [(4, 20), (6, 20), (8, 20), (10, 20), (12, 20)]


def test_parts_nest_and_an_empty_part_is_at_its_beginning():
    told = []
    outer = part(lambda done, total: told.append(done / total), 1, 2)
    part(outer, 1, 2)(1, 2)
    part(outer, 1, 2)(0, 0)
    assert told == [0.875, 0.75]
