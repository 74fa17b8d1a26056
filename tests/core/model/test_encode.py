"""Joining prompt and answer, and the blanks before an answer, with tokenizers that treat spaces differently."""

import pytest
from tokenizers import Tokenizer, decoders, models, pre_tokenizers, processors
from transformers import PreTrainedTokenizerFast

from core.bias.locate import locate
from core.bias.measure import BiasWords
from core.errors import UserError
from core.forward.answers import question, shift_note
from core.forward.rows import TrainingRows
from core.forward.scoring import continuation
from core.hooks import ScaleNeuron, intervene
from core.mediation.pairs import typed_pair
from core.model.encode import TextEncoder
from core.model.load import MAX_BLANKS
from core.prompts.arithmetic import Prompt, make_prompts
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


JOINED = ("=\u2581", "=\u25818", "\u25818")


def test_an_answer_that_the_tokenizer_joins_with_the_prompt(tmp_path):
    """The position is one token earlier: the model never writes the answer behind an "=" of its own."""
    lm = predicting(tmp_path, {}, joined=JOINED)
    merged = lm.n_vocab - 2
    assert lm.encode("5= 8")[-1] == merged  # "= 8" is one token
    joined = lm.encode_joined("5=", "8")
    assert joined.ids == lm.encode("5=")[:-1] == lm.encode("5")
    assert joined.text == [merged]
    assert joined.shift == 1
    assert joined.ids + joined.text == lm.encode("5= 8")
    assert lm.encode_continuation("5=", "8") == (joined.ids, joined.text)
    assert lm.encode_joined("5=", "3").shift == 1  # "= " is a token, too
    assert lm.encode_joined("5+", "3").shift == 0


def test_what_reads_at_a_joined_answer(tmp_path):
    """Questions, training rows and continuations begin at the joined token, all in the same place."""
    lm = predicting(tmp_path, {}, joined=JOINED)
    merged, text = lm.n_vocab - 2, SUM.text
    asked = question(lm, SUM)
    assert (asked.ids, asked.answer) == (lm.encode(text)[:-1], [merged])
    rows = TrainingRows.of(lm, [SUM])
    assert rows.wanted[0][rows.answer[0]].tolist() == [merged]
    assert continuation(lm, text, "8").answer == (merged,)
    assert shift_note(lm, [SUM, Prompt("+", 4, 5, 1, "digits", 3)]) == (
        "In 2 of 2 prompts the tokenizer joins the prompt's last token with the answer (such as '=8'): "
        "the position that is read is one token earlier there."
    )
    lm = predicting(tmp_path, {EQUALS: EIGHT}, joined=JOINED)
    with pytest.raises(UserError, match=r"joins the end of '5=' with '8'.*End the prompt in another way"):
        typed_pair(lm, "5=", "3=", "8", "8")
    gendered = BiasWords(("3", "5"), (("8",), ("7",)), ("<gend>=",))
    with pytest.raises(UserError, match=r"joins the end of '3=' with '8'.*leave the word out"):
        locate(lm, gendered)


def test_a_joined_answer_needs_a_longer_prompt(tmp_path):
    lm = predicting(tmp_path, {}, joined=JOINED)
    lm.tokenizer.backend_tokenizer.pre_tokenizer = pre_tokenizers.Metaspace(prepend_scheme="never", split=False)
    assert lm.encode_joined("=", "8").ids == [1]  # the beginning of the text
    lm.tokenizer.backend_tokenizer.post_processor = processors.TemplateProcessing(single="$A", special_tokens=[])
    with pytest.raises(UserError, match=r"joins '=' with '8' into one token. Write a longer prompt"):
        lm.encode_joined("=", "8")


def test_no_answer_is_shifted_with_an_ordinary_tokenizer(bundled, any_model):
    for lm in (bundled, any_model):
        assert shift_note(lm, make_prompts(digits=[1, 2], count=3)) is None


class WithoutDigits(TextEncoder):
    """A tokenizer without some digits: it drops what it does not know, or has a token for it."""

    def __init__(self, digits: str, unknown: str | None = None):
        pieces = [*"+-*/= ", *digits, *([unknown] if unknown else [])]
        plain = Tokenizer(models.BPE({piece: i for i, piece in enumerate(pieces)}, [], unk_token=unknown))
        plain.decoder = decoders.Fuse()
        self.tokenizer = PreTrainedTokenizerFast(tokenizer_object=plain, unk_token=unknown)
        self.n_vocab, self.n_context = len(pieces), 50


@pytest.mark.parametrize("unknown", [None, "?"])
@pytest.mark.parametrize(("digits", "missing"), [("", "0123456789"), ("012346789", "5"), ("0123456789", "")])
def test_digits_that_a_tokenizer_cannot_write(digits, missing, unknown):
    assert WithoutDigits(digits, unknown).unknown_digits == missing


def test_a_prompt_with_a_digit_that_cannot_be_written_is_refused():
    encoder = WithoutDigits("012346789")
    assert len(encoder.encode("3 + 4 =")) == 7
    with pytest.raises(UserError, match="cannot write the digit 5, so .* Load another model, or ask in number words"):
        encoder.encode("3 + 5 =")
    with pytest.raises(UserError, match="cannot write the digit 5,"):
        encoder.encode_joined("3 + 2 =", "5")
    with pytest.raises(UserError, match="cannot write the digits 3, 5,"):
        WithoutDigits("0").encode("5 + 3 =")


def test_digits_within_words_can_be_known_where_a_digit_by_itself_is_not(reference):
    """The reference checkpoint's tokens are named t0, t1, ..."""
    assert reference.unknown_digits == "0123456789"
    assert reference.tokenizer.decode(reference.encode("t5 t17")).split()[-2:] == ["t5", "t17"]
    with pytest.raises(UserError, match="cannot write the digit 5,"):
        reference.encode("5")


def test_digits_beyond_the_output_matrix_cannot_be_written():
    encoder = WithoutDigits("0123456789")
    encoder.n_vocab -= 2
    assert encoder.unknown_digits == "89"


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
