"""The neurons of one prompt, from settings."""

import pytest

from core.chain.case import logic_case
from core.chain.study import NeuronSearch, look_inside
from core.errors import UserError
from core.kept.records import same


@pytest.mark.parametrize("asked", [NeuronSearch("3+5=", 12), NeuronSearch("34+28=", 5, ((3, 1), (2, 0)), 3)])
def test_what_is_kept_is_what_the_page_shows(bundled, asked):
    asked.check(bundled)
    found = asked.run(bundled)
    ids = bundled.encode_for_answer(asked.prompt)[: None if asked.position is None else asked.position + 1]
    case = logic_case(bundled, ids, asked.heads, asked.k)
    again = look_inside(bundled, asked, found=found)
    for shown in (case, again, look_inside(bundled, asked)):
        assert same(shown.neurons, found.neurons)
        assert shown.heads == found.heads
        assert shown.tokens == found.tokens
        assert shown.from_sweep == (not asked.heads)
    assert again.chain is not None
    assert set(again.chain.edges) == set(case.chain.edges)
    table = found.tables()["neurons"]
    assert len(table) == asked.k
    assert table["promotes"].str.len().gt(0).all()


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        (NeuronSearch(heads=((99, 0),)), "99"),
        (NeuronSearch(k=10**9), "cannot be shown"),
        (NeuronSearch(position=50), "cannot be read after token 50"),
    ],
)
def test_settings_that_the_model_cannot_take(bundled, asked, told):
    with pytest.raises(UserError, match=told):
        asked.check(bundled)
