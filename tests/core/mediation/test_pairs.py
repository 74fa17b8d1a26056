"""Pairs are what they say: as many tokens, right answers, the asked difference, the named positions."""

import random

import pytest
import torch

from core.errors import UserError
from core.mediation.draw import draw_pairs
from core.mediation.measure import indirect_effects
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


def test_typed_prompts_are_read_behind_the_models_own_blanks(answering):
    lm = answering
    typed = [list(lm.tokenizer(text)["input_ids"]) for text in ("3 + 5 =", "2 + 6 =", "2 + 7 =")]
    n_blanks = int("gpt2" not in lm.name)
    pair = typed_pair(lm, "3 + 5 =", "2 + 7 =")
    assert pair.base_ids[: len(typed[0])] == tuple(typed[0])
    assert len(pair.base_ids) == len(pair.alternative_ids) == len(typed[0]) + n_blanks
    assert [lm.is_blank(i) for i in pair.base_ids[len(typed[0]) :]] == [True] * n_blanks
    assert pair.groups[-1] == (f"{len(typed[0])} ␣" if n_blanks else f"{len(typed[0]) - 1} {lm.token(typed[0][-1])}")
    found = [int(lm.logits(list(ids))[-1].argmax()) for ids in (pair.base_ids, pair.alternative_ids)]
    assert [lm.token(i).strip() for i in found] == ["8", "9"]
    given = typed_pair(lm, "3 + 5 =", "2 + 7 =", "8", "9")
    assert (given.base_result, given.alternative_result) == tuple(found)
    effects = indirect_effects(lm, "3 + 5 =", "2 + 7 =")
    assert (effects.base_result, effects.alternative_result) == tuple(found)
    assert effects.effect.shape[1] == len(pair.base_ids)
    assert typed_pair(lm, "3 + 5 =", "2 + 6 =").base_ids == pair.base_ids


def test_token_ids_are_taken_as_they_are(answering):
    lm = answering
    ids = [list(lm.tokenizer(text)["input_ids"]) for text in ("3 + 5 =", "2 + 7 =")]
    pair = typed_pair(lm, *ids, "8", "9")
    assert (pair.base_ids, pair.alternative_ids) == (tuple(ids[0]), tuple(ids[1]))
    assert [lm.token(i).strip() for i in (pair.base_result, pair.alternative_result)] == ["8", "9"]
    assert pair.base == "3 + 5 ="
    behind = [lm.prompt_ids(text) for text in ("3 + 5 =", "2 + 7 =")]
    by_ids = indirect_effects(lm, *behind)
    assert torch.equal(by_ids.effect, indirect_effects(lm, "3 + 5 =", "2 + 7 =").effect)
    cut = indirect_effects(lm, behind[0][:-1], behind[1][:-1], base_result=7, alternative_result=8)
    assert cut.effect.shape[1] == len(behind[0]) - 1
    with pytest.raises(UserError, match="same number of tokens"):
        typed_pair(lm, behind[0], behind[1][:-1])


def test_both_prompts_get_the_base_s_blanks(bundled, monkeypatch):
    """Where the model goes on differently after the two."""
    equals, plus = (bundled.tokenizer.convert_tokens_to_ids(sign) for sign in "=+")
    monkeypatch.setattr(type(bundled), "is_blank", lambda lm, token: token in (equals, plus))  # stand for two blanks
    monkeypatch.setattr(
        type(bundled),
        "prompt_ids",
        lambda lm, text: [*lm.encode(text), *([equals, plus] if text.startswith("3") else [plus])],
    )
    for base, other, blanks in (("3 + 5", "2 + 7", [equals, plus]), ("2 + 7", "3 + 5", [plus])):
        pair = typed_pair(bundled, base, other)
        assert pair.base_ids == (*bundled.encode(base), *blanks)
        assert pair.alternative_ids == (*bundled.encode(other), *blanks)


@pytest.mark.parametrize("kind", ["other operands", "same result", "other operator"])
@pytest.mark.parametrize("template_set", ["CNA", "CMA"])
def test_results_are_visible_on_every_tokenizer(answering, kind, template_set):
    """The blank that the model writes before its answer is part of the drawn prompts."""
    lm = answering
    pairs = draw_pairs(
        lm,
        kind,
        6,
        operations=("+", "-"),
        templates=(3 if template_set == "CNA" else 5,),
        template_set=template_set,
        seed=2,
    )
    check(lm, kind, pairs)
    for pair in some(pairs):
        for ids, result in ((pair.base_ids, pair.base_result), (pair.alternative_ids, pair.alternative_result)):
            assert not lm.is_blank(result)
            asked, begun = lm.prompt_text([*ids, result]).split("=")
            first, sign, second = asked.split()
            assert str(compute(sign, int(first), int(second))).startswith(begun.strip())
        assert pair.groups_by("CMA")[-1] == "last"
        assert {"first operand", "middle", "second operand"} <= set(pair.groups_by("CMA"))
        assert len(pair.groups_by("CMA")) == len(pair.base_ids)
        if "gpt2" not in lm.name:
            assert pair.groups_by("CMA")[-2] == "late"
            assert any(lm.is_blank(i) for i in pair.base_ids[-2:])


def test_a_model_that_cannot_do_it_is_told(reference):
    with pytest.raises(UserError, match="cannot do this"):
        draw_pairs(reference, "facts", 5)


def test_a_model_that_cannot_write_digits_is_told(reference):
    """Was: 400 pairs were drawn, and the error said nothing of digits."""
    assert reference.unknown_digits == "0123456789"
    with pytest.raises(UserError, match="tokenizer cannot write the digit"):
        draw_pairs(reference, "other operands", 5)


def test_what_is_left_out_is_told(bundled):
    """Why there is no pair: words, tokens or answers."""
    told = r"both answers right: \d+ cannot be read \(The model does not know '[A-Z]\w+'\)\. Choose another"
    with pytest.raises(UserError, match=told):
        draw_pairs(bundled, "number retrieval", 5, template_set="CMA")
    told = r"of \d+ pairs .*: \d+ do not match token by token; \d+ are answered wrong\. Choose another"
    with pytest.raises(UserError, match=told):
        draw_pairs(bundled, "three operands", 5, number_range="CMA, up to 300")


def test_positions_belong_to_the_same_part_of_both_prompts(bundled):
    """Was: "twenty one + three" beside "three + twenty one", equal in tokens but not in their positions."""
    for pair in some(draw_pairs(bundled, count=30, operations=("+",), digits=(2,), forms=("words",))):
        plus = bundled.tokenizer.convert_tokens_to_ids("+")
        assert pair.base_ids.index(plus) == pair.alternative_ids.index(plus) == pair.groups.index("operator")


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
