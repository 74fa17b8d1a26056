"""Position groups: every token has one, and it holds the characters that its name says."""

import random

import pytest

from core.errors import UserError
from core.mediation.groups import (
    ASKED,
    FIRST,
    GROUPS,
    OPERATOR,
    SECOND,
    SUBJECT,
    THIRD,
    by_landmarks,
    by_roles,
    roles_of,
)
from core.mediation.pairs import PromptPair, typed_pair
from core.mediation.tasks import PAIR_KINDS, Task, template_names
from core.mediation.templates import drafts_of
from core.mediation.words import RELATIONS, TEMPLATE_SETS
from tests.core.mediation.look_alikes import NAMES, model_of
from tests.some import some

TEXT = "Q: What is 24 plus 35? A:"
SPANS = ((11, 13, FIRST), (14, 18, OPERATOR), (19, 21, SECOND))
BARE = ("24 + 35 =", ((0, 2, FIRST), (3, 4, OPERATOR), (5, 7, SECOND)))


@pytest.fixture(scope="module", params=["bundled", *NAMES])
def lm(request, tmp_path_factory):
    if request.param == "bundled":
        return request.getfixturevalue("bundled")
    texts = [TEXT, BARE[0], "24 + 3 = 27"] * 5 + [str(n) for n in range(10)] + ["The capital of France is Paris"] * 5
    return model_of(request.param, texts, tmp_path_factory.mktemp(request.param))


def told(lm, ids, groups, name):
    """What a group's tokens say together."""
    return "".join(lm.token(i).strip() for i, g in zip(ids, groups, strict=True) if g == name)


@pytest.mark.parametrize(("text", "spans"), [(TEXT, SPANS), BARE], ids=["sentence", "signs"])
def test_roles_hold_their_words(lm, text, spans):
    ids, roles = lm.encode(text), roles_of(lm, text, spans)
    assert len(roles) == len(ids)
    for start, end, name in some(spans):
        assert told(lm, ids, roles, name) == text[start:end]
    groups = by_roles(roles)
    assert groups[-1] == "last"
    assert groups.count("last") == 1


def test_a_blank_that_the_tokenizer_puts_first_is_no_operand(tmp_path):
    lm = model_of("blanks", [BARE[0]] * 3, tmp_path)
    ids, roles = lm.encode(BARE[0]), roles_of(lm, *BARE)
    assert [lm.token(i) for i in ids[:4]] == ["<s>", " ", "2", "4"]
    assert roles[:4] == ["others", "others", FIRST, FIRST]


@pytest.mark.parametrize(("text", "spans"), [(TEXT, SPANS), BARE], ids=["sentence", "signs"])
def test_landmarks_are_the_operands_last_tokens(lm, text, spans):
    """By hand, as the notebook's loop says it: before, first, between, second, after, last."""
    ids = lm.encode(text)
    groups = by_landmarks(roles_of(lm, text, spans))
    ends = {FIRST: 0, SECOND: 0}
    for place in range(len(ids)):  # a token ends where the text decoded so far ends
        so_far = "".join(lm.token(i) for i in ids[: place + 1]).replace("<s>", "").replace(" ", "")
        for _, end, name in some(spans):
            if name in ends and so_far == text[:end].replace(" ", ""):
                ends[name] = ends[name] or place
    expected = []
    for place in range(len(ids)):
        if place < ends[FIRST]:
            expected.append("early")
        elif place == ends[SECOND]:
            expected.append("second operand")
        elif place == ends[FIRST]:
            expected.append("first operand")
        elif place < ends[SECOND]:
            expected.append("middle")
        else:
            expected.append("last" if place == len(ids) - 1 else "late")
    assert ends[FIRST] < ends[SECOND]
    assert groups == tuple(expected)


def test_three_operands_have_two_groups_between_them():
    roles = ["others", FIRST, FIRST, OPERATOR, SECOND, "others", OPERATOR, THIRD, "others", "others"]
    assert by_landmarks(roles) == (
        "early",
        "early",
        "first operand",
        "between operands 1",
        "second operand",
        "between operands 2",
        "between operands 2",
        "third operand",
        "late",
        "last",
    )


@pytest.mark.parametrize(
    ("role", "of_one", "of_three"),
    [
        (ASKED, ["asked thing (first)"], ["asked thing (first)", "asked thing (middle)", "asked thing (last)"]),
        (SUBJECT, ["subject (last)"], ["subject (first)", "subject (middle)", "subject (last)"]),
    ],
)
def test_words_of_one_and_of_three_tokens(role, of_one, of_three):
    for n, expected in some(((1, of_one), (3, of_three))):
        assert by_landmarks(["others", *[role] * n, "others", "others"]) == ("early", *expected, "late", "last")


def test_without_landmarks_both_groupings_are_the_same():
    assert by_landmarks(["others"] * 3) == by_roles(["others"] * 3) == ("others", "others", "last")


def test_every_group_has_its_place_in_the_order():
    assert len(set(GROUPS)) == len(GROUPS)
    roles = [FIRST, "others", SECOND, "others", THIRD, "others", "others"]
    shown = by_landmarks(roles)
    assert list(shown) == [g for g in GROUPS if g in shown]


def test_a_pair_knows_both_groupings(bundled):
    pair = PromptPair("a", "b", (1, 2), (1, 3), 4, 5, ("x", "last"), "given", ("early", "last"))
    assert pair.groups_by("roles") == ("x", "last")
    assert pair.groups_by("CMA") == ("early", "last")
    typed = typed_pair(bundled, "3 + 5 =", "2 + 7 =")
    assert typed.groups_by("CMA") == typed.groups_by("roles") == typed.groups
    with pytest.raises(UserError, match="roles, CMA"):
        pair.groups_by("colour")


def every_draft():
    """Drafts of every wording of every kind."""
    rng = random.Random(0)
    tasks = [
        Task(kind, template_set=name, templates=(row,))
        for kind in PAIR_KINDS
        for name in TEMPLATE_SETS
        for row in range(len(template_names(name, kind)))
    ]
    tasks += [Task("facts", relations=tuple(RELATIONS))] * 3
    tasks += [Task("number retrieval", template_set="CMA", classes=True)] * 3
    draws = [(task.kind, drafts_of(task)) for task in tasks]
    return [(kind, draft) for kind, draw in draws for pair in (draw(rng) for _ in range(40)) if pair for draft in pair]


@pytest.fixture(scope="module", params=["bundled", *NAMES])
def reader(request, tmp_path_factory):
    """A model for each tokenizer that reads the drafts."""
    if request.param == "bundled":
        return request.getfixturevalue("bundled")
    texts = [f"{draft.text} {draft.answer}" for _, draft in every_draft()]
    return model_of(request.param, texts, tmp_path_factory.mktemp(request.param))


def test_groups_tile_every_draft(reader):
    names = {
        "number retrieval": {"early", "asked thing (first)", "late", "last"},
        "facts": {"early", "subject (last)", "last"},
        "three operands": {FIRST, "between operands 1", SECOND, "between operands 2", THIRD, "last"},
    }
    read = set()
    for kind, draft in some(every_draft()):
        try:
            ids = reader.encode(draft.text)
        except UserError:  # a word that the bundled model does not know
            continue
        roles = roles_of(reader, draft.text, draft.spans)
        wanted: dict[str, list[str]] = {}
        for start, end, name in draft.spans:
            wanted.setdefault(name, []).append(draft.text[start:end].replace(" ", ""))
        for name, pieces in some(wanted.items()):
            assert told(reader, ids, roles, name).replace(" ", "") == "".join(pieces)
        for groups in some((by_roles(roles), by_landmarks(roles))):
            assert len(groups) == len(ids)
            assert set(groups) <= set(GROUPS)
        wanted_groups = set(names.get(kind, {FIRST, "middle", SECOND, "last"}))
        if ids[0] != reader.tokenizer.bos_token_id:
            wanted_groups.discard("early")
        if draft.text.startswith("Sum"):  # "... and multiply by 5": the last token is the third operand
            wanted_groups.discard(THIRD)
        assert wanted_groups <= set(by_landmarks(roles))
        read.add((kind, draft.text.split(" ")[0]))
    assert {kind for kind, _ in read} == set(PAIR_KINDS)
