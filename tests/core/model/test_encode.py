"""Joining prompt and answer, and the blanks before an answer, with tokenizers that treat spaces differently."""

import pytest

from core.errors import UserError
from core.forward.answers import question
from core.forward.rows import TrainingRows
from core.hooks import ScaleNeuron, intervene
from core.model.load import MAX_BLANKS
from core.prompts.arithmetic import Prompt
from tests.told_models import BLANK, EIGHT, EQUALS, predicting

SUM = Prompt("+", 3, 5, 1, "digits", 3)


@pytest.fixture
def blank_first(tmp_path):
    """Answers "3+5=" as many Llamas do: a blank, then the digit."""
    return predicting(tmp_path, {BLANK: EIGHT, EIGHT: 2})


def test_the_blanks_before_an_answer_are_the_models_own(blank_first):
    lm = blank_first
    ids = lm.encode("3+5=")
    assert int(lm.logits(ids)[-1].argmax()) == BLANK
    assert lm.is_blank(BLANK)
    assert not lm.is_blank(EIGHT)
    extended = lm.encode_for_answer("3+5=")
    assert extended == [*ids, BLANK]
    assert int(lm.logits(extended)[-1].argmax()) == EIGHT


def test_a_model_that_writes_only_blanks_is_asked_a_few_times(tmp_path):
    lm = predicting(tmp_path, {})
    ids = lm.encode("3=")
    assert lm.encode_for_answer("3=") == ids + [BLANK] * MAX_BLANKS
    full = lm.encode("3+5+3+5+3=")  # one place less than the context
    assert len(full) == lm.n_context
    assert lm.encode_for_answer("3+5+3+5+3=") == full
    assert lm.encode_for_answer("3+5+3+5+=") == lm.encode("3+5+3+5+=") + [BLANK]


def test_nothing_is_added_where_the_answer_comes_at_once(bundled):
    assert bundled.encode_for_answer("3+5=") == bundled.encode("3+5=")
    with pytest.raises(UserError, match="empty"):
        bundled.encode_for_answer(" ")


def test_an_intervened_model_predicts_its_own_blanks(any_model):
    """The greedy rule, step by step, under an intervention."""
    with intervene(any_model, ScaleNeuron(1, 3, -4.0)):
        extended = any_model.encode_for_answer("3+5=")
        plain = any_model.encode("3+5=")
        while len(plain) < len(extended):
            plain.append(int(any_model.logits(plain)[-1].argmax()))
            assert any_model.is_blank(plain[-1])
    assert extended == plain


def test_prompt_and_answer_with_a_blank_between(blank_first):
    lm = blank_first
    ids, answer = lm.encode_continuation("3+5=", "8")
    assert ids == lm.encode("3+5=")
    assert answer == [BLANK, EIGHT]
    assert lm.first_visible(answer) == 1
    assert lm.first_visible([EIGHT, BLANK]) == 0
    assert lm.first_visible([BLANK, BLANK]) == 0
    assert lm.first_visible([]) == 0


def test_an_answer_that_the_tokenizer_joins_with_the_prompt(tmp_path):
    lm = predicting(tmp_path, {}, joined=("=\u2581", "=\u25818", "\u25818"))
    assert lm.encode("5= 8")[-1] == lm.n_vocab - 2  # "= 8" is one token
    ids, answer = lm.encode_continuation("5=", "8")
    assert ids == lm.encode("5=")
    assert ids[-1] == EQUALS
    assert answer == lm.encode_answer("8") == [lm.n_vocab - 1]


def test_questions_and_training_rows_have_the_same_tokens(bundled):
    asked = question(bundled, SUM)
    ids, answer = bundled.encode_continuation(SUM.text, str(SUM.answer))
    assert (asked.ids, asked.answer) == (ids, answer)
    rows = TrainingRows.of(bundled, [SUM])
    assert rows.ids[0].tolist() == ids + answer
    assert rows.wanted[0][rows.answer[0]].tolist() == answer


def test_what_cannot_be_a_continuation(bundled):
    with pytest.raises(UserError, match="no text after"):
        bundled.encode_continuation("3+5=", " ")
    with pytest.raises(UserError, match="empty"):
        bundled.encode_continuation("", "8")
    with pytest.raises(UserError, match="does not know"):
        bundled.encode_continuation("3+5=", "xylophone quux")
