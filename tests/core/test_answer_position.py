"""One position for every analysis: behind the blanks that the model itself predicts, or where the given ids end."""

import pytest

from core.chain.case import logic_case, top_head
from core.edits import what_if
from core.edits.effects import edit_effects
from core.errors import UserError
from core.forward.answers import question, token_cases
from core.forward.scoring import answer_ids
from core.heads import sweep_heads
from core.hooks import ScaleHead
from core.lora.coefficients import coefficients_with
from core.model.load import MAX_BLANKS
from core.neurons import compare_heads, compare_models, compare_prompts, layer_increase
from core.neurons.attribution import first_order
from core.neurons.max_activating import activating_prompts
from core.neurons.prompt_view import view_prompt
from core.prompts.arithmetic import Prompt
from tests.some import some
from tests.told_models import BLANK, EIGHT, predicting

TEXT = "3+5="


@pytest.fixture
def lm(tmp_path):
    """Answers "3+5=" as many Llamas do: a blank, then the digit."""
    return predicting(tmp_path, {BLANK: EIGHT, EIGHT: 2})


@pytest.fixture
def ids(lm):
    return [*lm.encode(TEXT), BLANK]


TARGETS = {
    "sweep_heads": lambda lm, p: sweep_heads(lm, [p]).targets[0],
    "compare_heads": lambda lm, p: compare_heads(lm, p, [(0, 0)]).target,
    "compare_prompts": lambda lm, p: compare_prompts(lm, p, "3+4=").target,
    "compare_models": lambda lm, p: compare_models(lm, lm, p).target,
    "layer_increase": lambda lm, p: layer_increase(lm, p).target,
    "first_order": lambda lm, p: first_order(lm, p).target,
    "coefficients_with": lambda lm, p: coefficients_with(lm, {}, p, 2).target,
    "logic_case": lambda lm, p: logic_case(lm, p, [(0, 0)], k=3).neurons.target,
    "view_prompt": lambda lm, p: view_prompt(lm, p).increase.target,
    "what_if": lambda lm, p: int(what_if(lm, [p], [], digits=()).original.logits[0].argmax()),
}


@pytest.mark.parametrize("name", TARGETS)
def test_the_answer_and_not_the_blank(lm, ids, name):
    assert TARGETS[name](lm, TEXT) == EIGHT
    assert TARGETS[name](lm, ids) == EIGHT
    assert TARGETS[name](lm, ids[:-1]) == BLANK  # ids are taken as they are: another position


def test_the_blank_that_a_person_typed_is_not_added_again(lm, ids):
    assert lm.encode(TEXT + " ") == ids
    assert lm.prompt_ids(TEXT + " ") == ids


def test_a_batch_of_prompts_is_extended_like_one(lm, ids, bundled):
    mixed = [TEXT, ids[:-1], "8", TEXT + " "]
    assert answer_ids(lm, mixed) == [lm.prompt_ids(p) for p in mixed] == [ids, ids[:-1], lm.encode("8"), ids]
    assert answer_ids(bundled, [TEXT]) == [bundled.encode(TEXT)]


def test_a_continuation_that_stays_blank_is_refused(lm, tmp_path):
    """The ids of `encode_for_answer` are still there to be read, and so is any position that a person picks."""
    endless = predicting(tmp_path / "endless", {EIGHT: 2})
    why = r"nothing but blanks after '3=' \(4 were added\).*in another way, or choose a token"
    for ask in (lambda: endless.prompt_ids("3="), lambda: answer_ids(endless, ["8", "3="])):
        with pytest.raises(UserError, match=why):
            ask()
    assert endless.encode_for_answer("3=") == endless.encode("3=") + [BLANK] * MAX_BLANKS
    picked = endless.encode_for_answer("3=")[:3]
    assert endless.prompt_ids(picked) == answer_ids(endless, [picked])[0] == picked
    assert answer_ids(endless, ["8"]) == [endless.prompt_ids("8")] == [endless.encode("8")]  # goes on with its end
    for long, added in (("3+5+3+5+3=", 0), ("3+5+3+5+=", 1)):  # no room for more
        for ask in (endless.prompt_ids, lambda text: answer_ids(endless, [text])):
            with pytest.raises(UserError, match=rf"nothing but blanks .*\({added} were added\)"):
                ask(long)
    four = predicting(tmp_path / "four", {BLANK: EIGHT}, joined=())
    assert four.prompt_ids("3=") == [*four.encode("3="), BLANK]


@pytest.mark.parametrize("name", TARGETS)
def test_analyses_say_that_there_is_no_answer(tmp_path, name):
    with pytest.raises(UserError, match="nothing but blanks"):
        TARGETS[name](predicting(tmp_path, {}), TEXT)


def test_ids_that_the_model_does_not_have_are_refused(lm):
    with pytest.raises(UserError, match="vocabulary"):
        lm.prompt_ids([1, 10**6])
    with pytest.raises(UserError, match="no tokens"):
        lm.prompt_ids([])


def test_coefficients_are_read_at_the_same_place(lm, ids):
    frame = activating_prompts(lm, [TEXT, ids], 0, 1)
    assert frame["prompt"].tolist() == [TEXT, lm.prompt_text(ids)]
    assert frame["coefficient"][0] == frame["coefficient"][1]
    edits = [ScaleHead(0, 0, 0.0)]
    assert edit_effects(lm, [TEXT], edits, draws=0).together == edit_effects(lm, [ids], edits, draws=0).together
    assert top_head(lm, TEXT) == (0, 0)


def test_a_view_says_which_tokens_were_typed(lm, ids):
    view = view_prompt(lm, TEXT)
    assert view.ids == ids
    assert view.typed == len(ids) - 1
    assert view.continuation == [EIGHT, 2]


def test_each_visible_answer_token_is_a_case(lm, bundled):
    questions = [question(lm, Prompt("+", 3, 5, 1, "digits", 3), then_end_of_text=True)]
    assert questions[0].answer == [BLANK, EIGHT, 2]
    (case,) = token_cases(lm, questions)
    assert (case.number, case.place, case.token) == (0, 1, EIGHT)
    assert list(case.ids) == [*questions[0].ids, BLANK]
    sums = [question(bundled, Prompt("+", a, 28, 2, "digits", 3), then_end_of_text=True) for a in (34, 80)]
    cases = token_cases(bundled, sums)
    assert [(c.number, bundled.token(c.token)) for c in cases] == [(0, "6"), (0, "2"), (1, "1"), (1, "0"), (1, "8")]
    for case in some(cases):
        assert list(case.ids) == sums[case.number].ids + sums[case.number].answer[: case.place]
