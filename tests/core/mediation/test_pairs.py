"""Pairs are what they say: as many tokens, right answers, the asked difference, the named positions."""

import random

import pytest
import torch

from core.errors import UserError
from core.mediation.draw import draw_pairs
from core.mediation.pairs import typed_pair
from core.mediation.tasks import PAIR_KINDS, Task
from core.mediation.templates import Draft, drafts_of
from core.prompts.arithmetic import compute
from tests.some import some

ARITHMETIC = ("other operands", "same result", "other operator")


def operands(text):
    left, operation, right = text.split("=")[0].split()
    return int(left), operation, int(right)


def check(lm, kind, pairs):
    assert len({(p.base, p.alternative) for p in pairs}) == len(pairs)
    for p in some(pairs):
        assert len(p.base_ids) == len(p.alternative_ids) == len(p.groups)
        assert p.groups[-1] == "last"
        assert (p.base_result == p.alternative_result) == (kind == "same result")
        for ids, result in ((p.base_ids, p.base_result), (p.alternative_ids, p.alternative_result)):
            assert int(lm.logits(list(ids))[-1].argmax()) == result  # the model's answer begins right


@pytest.mark.parametrize("kind", PAIR_KINDS)
def test_every_kind_is_checked(bundled, kind):
    pairs = draw_pairs(bundled, kind, 4, seed=3)
    check(bundled, kind, pairs)
    assert pairs == draw_pairs(bundled, kind, 4, seed=3)
    assert pairs != draw_pairs(bundled, kind, 4, seed=4)


def test_drafts_that_the_model_reads_as_one_prompt_are_left_out(bundled, monkeypatch):
    """Two texts with the same tokens are no pair, whatever their answers."""
    draft = Draft("3 + 5 =", "8", ()), Draft("3 + 5  =", "9", ())
    assert bundled.encode(draft[0].text) == bundled.encode(draft[1].text)
    monkeypatch.setattr("core.mediation.draw.drafts_of", lambda task: lambda rng: draft)
    monkeypatch.setattr("core.mediation.draw.are_right", lambda lm, questions: [True] * len(questions))
    with pytest.raises(UserError, match="cannot do this"):
        draw_pairs(bundled, count=1)


@pytest.mark.parametrize("kind", ARITHMETIC)
def test_what_differs(bundled, kind):
    for pair in some(draw_pairs(bundled, kind, 30, digits=(1, 2))):
        base, other = operands(pair.base), operands(pair.alternative)
        results = [compute(operation, a, b) for a, operation, b in (base, other)]
        assert (results[0] == results[1]) == (kind == "same result")
        if kind == "other operator":
            assert base[1] != other[1]
            assert (base[0], base[2]) == (other[0], other[2])
        else:
            assert base[1] == other[1]
            assert base[0] != other[0]
            assert base[2] != other[2]


def test_results_are_read_at_the_first_token_that_differs(bundled):
    pairs = draw_pairs(bundled, "other operands", 40, operations=("+",), digits=(2,))
    check(bundled, "other operands", pairs)
    longer = [p for p in pairs if not p.base.endswith("=")]  # some sums begin alike
    assert longer
    assert {p.read_at for p in pairs} == {"first token that differs"}
    for pair in some(longer):
        end, begun = pair.base.split("="), pair.base.split("=")[1].strip()
        assert pair.alternative.split("=")[1].strip() == begun
        a, _, b = operands(end[0] + "=")
        assert str(a + b).startswith(begun)
        assert str(a + b)[len(begun)] == bundled.token(pair.base_result)


@pytest.mark.parametrize(("template", "word"), [(0, "sum"), (1, "plus"), (2, "plus"), (3, "+")])
@pytest.mark.parametrize("form", ["digits", "words"])
def test_position_groups(bundled, template, word, form):
    pairs = draw_pairs(bundled, count=5, operations=("+",), digits=(2,), forms=(form,), templates=(template,))
    for pair in some(pairs):
        at = {name: [i for i, g in enumerate(pair.groups) if g == name] for name in set(pair.groups)}
        told = {name: " ".join(bundled.token(pair.base_ids[i]).strip() for i in spots) for name, spots in at.items()}
        assert told["operator"] == word
        assert at["last"] == [len(pair.base_ids) - 1]
        if form == "digits":
            assert told["first operand"].replace(" ", "") in pair.base
            numbers = [int(told[n].replace(" ", "")) for n in ("first operand", "second operand")]
            assert str(sum(numbers))[0] in [bundled.token(i) for i in (pair.base_result, *pair.base_ids)]
        assert told["first operand"] != told["second operand"] or form == "words" or numbers[0] == numbers[1]


@pytest.mark.parametrize("kind", PAIR_KINDS)
@pytest.mark.parametrize("form", ["digits", "words"])
@pytest.mark.parametrize("template", [0, 3])
def test_drafts_name_the_positions(kind, form, template):
    draw = drafts_of(Task(kind, ("+", "-", "*", "/"), (1,), (form,), (template,)))
    rng = random.Random(0)
    drawn = [d for d in (draw(rng) for _ in range(200)) if d]
    assert drawn
    for base, other in some(drawn):
        assert (base.text == other.text) is False
        assert (base.answer == other.answer) == (kind == "same result")
        for draft in (base, other):
            pieces = {name: draft.text[a:b] for a, b, name in draft.spans}
            assert all(piece and piece == piece.strip() for piece in some(pieces.values()))
            if kind == "number retrieval":
                number = pieces[
                    "first number"
                    if f"{pieces['first number']} {pieces['asked thing']}" in draft.text
                    else "second number"
                ]
                assert number == draft.answer
                assert f"{number} {pieces['asked thing']}" in draft.text
            if kind == "three operands" and template == 3 and form == "digits":
                assert eval(draft.text.rstrip("=")) == int(draft.answer)


def test_typed_pairs(bundled):
    pair = typed_pair(bundled, "3 + 5 =", "2 + 7 =", "8", "9")
    assert pair.groups == ("0 <s>", "1 3→2", "2 +", "3 5→7", "4 =")
    assert pair.read_at == "given"
    assert bundled.token(pair.base_result) == "8"
    assert typed_pair(bundled, "3 + 5 =", "2 + 7 =").base_result is None


def test_a_model_that_cannot_do_it_is_told(reference):
    with pytest.raises(UserError, match="cannot do this"):
        draw_pairs(reference, "facts", 5)


def test_a_model_that_cannot_write_digits_is_told(reference):
    """Was: 400 pairs were drawn, and the error said nothing of digits."""
    assert reference.unknown_digits == "0123456789"
    with pytest.raises(UserError, match="tokenizer cannot write the digit"):
        draw_pairs(reference, "other operands", 5)


def test_bad_choices(bundled):
    for given, words in (
        ({"kind": "poems"}, "poems"),
        ({"count": 0}, "at least one"),
        ({"operations": ()}, "at least one"),
        ({"operations": ("%",)}, "operation"),
        ({"digits": (4,)}, "digits"),
        ({"forms": ("roman",)}, "roman"),
        ({"templates": (9,)}, "Template 9"),
        ({"kind": "other operator", "operations": ("+",)}, "two operations"),
    ):
        with pytest.raises(UserError, match=words):
            draw_pairs(bundled, **given)


def test_few_pairs_are_all_there_are(bundled):
    """Where the choice holds fewer pairs than asked for, it ends with those."""
    pairs = draw_pairs(bundled, "same result", 500, operations=("/",))
    assert 0 < len(pairs) < 500
    assert torch.tensor([p.base_result == p.alternative_result for p in pairs]).all()
