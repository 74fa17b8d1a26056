"""Settings of drawn pairs: what they mean where nothing was chosen, and what is refused."""

import pytest

from core.errors import UserError
from core.mediation.tasks import PAIR_KINDS, Task, template_names
from tests.some import some


@pytest.mark.parametrize(
    ("given", "message"),
    [
        ({"template_set": "LAMA"}, "CNA, CMA"),
        ({"number_range": "large"}, "no range 'large'"),
        ({"templates": ()}, "at least one"),
        ({"template_set": "CMA", "templates": ()}, "at least one"),
        ({"templates": (4,)}, "table 14 has four"),
        ({"template_set": "CMA", "templates": (6,)}, "CMA has 6 for other operands, 0 to 5"),
        ({"kind": "number retrieval", "template_set": "CMA", "templates": (8,)}, "CMA has 8 for number retrieval"),
        ({"kind": "three operands", "template_set": "CMA", "templates": (29,)}, "CMA has 29"),
        ({"kind": "number retrieval", "classes": True}, "Only CMA's"),
        ({"kind": "facts", "relations": ()}, "at least one relation"),
        ({"kind": "facts", "relations": ("price",)}, "'price'"),
        ({"kind": "facts", "forms": ()}, "at least one"),
    ],
)
def test_what_is_refused(given, message):
    with pytest.raises(UserError, match=message):
        Task(**{"kind": "other operands", **given}).check()


def test_what_is_not_chosen_is_all_of_cma_and_the_signs_of_table_14():
    assert Task("other operands").rows == (3,)
    assert Task("other operands", template_set="CMA").rows == tuple(range(6))
    assert Task("facts", template_set="CMA").rows == ()
    assert Task("other operands", template_set="CMA", templates=(5, 0)).rows == (5, 0)


@pytest.mark.parametrize("kind", PAIR_KINDS)
def test_settings_of_other_kinds_are_not_asked_for(kind):
    Task(kind, template_set="CMA").check()
    Task(kind).check()
    if kind != "facts":
        Task(kind, relations=()).check()
    if kind in ("facts", "number retrieval", "three operands"):
        Task(kind, operations=(), digits=()).check()


def test_templates_are_named_as_they_read():
    assert template_names("CNA", "other operands")[0] == "The sum of n1 and n2 is"
    assert template_names("CMA", "three operands")[0] == "Sum n1 and n2 and multiply by n3"
    assert template_names("CMA", "number retrieval")[1].startswith("Q: Paul has n1 things and n2 others. How many thi")
    assert template_names("CMA", "facts") == ()
    assert all("{" not in name and "[" not in name for kind in some(PAIR_KINDS) for name in template_names("CMA", kind))
