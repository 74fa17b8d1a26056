"""Which tokens count as numbers and operators: vocabularies with blanks, byte tokens and long numbers."""

from dataclasses import replace

import pytest
import torch
from tokenizers import Tokenizer, decoders, models, pre_tokenizers
from transformers import LlamaConfig, LlamaForCausalLM, PreTrainedTokenizerFast

from core.errors import UserError
from core.model.load import load_model
from core.vocabulary.concepts import (
    CONCEPT_LISTS,
    OPERATOR_WORDS,
    OTHER_MEANING,
    chosen_concepts,
    concept_forms,
    concept_groups,
    concept_ids,
    concept_tokens,
    number_forms,
    number_words,
    word_tokens,
)
from tests.some import some
from tests.told_models import EIGHT, EQUALS, predicting

SHORT, WORDS, EVERY = CONCEPT_LISTS
COMMON = ("eight", "Eight", "I", "x", "v", "un", "due", "elf", "once", "null", "NULL", "six", "VIII", "plus", "the")
DIGITS = tuple(map(str, range(10)))
SIGNS = ("+", "-", "*", "/", "=")


def save(folder, pieces, decoder, pre_tokenizer):
    """A tiny random Llama with these pieces as its vocabulary."""
    pieces = ["<unk>", "<s>", "</s>", *dict.fromkeys(pieces)]
    tokenizer = Tokenizer(models.BPE(vocab={p: i for i, p in enumerate(pieces)}, merges=[], unk_token="<unk>"))
    tokenizer.decoder, tokenizer.pre_tokenizer = decoder, pre_tokenizer
    named = {"unk_token": "<unk>", "bos_token": "<s>", "eos_token": "</s>"}
    PreTrainedTokenizerFast(tokenizer_object=tokenizer, **named).save_pretrained(folder)
    config = LlamaConfig(
        vocab_size=len(pieces),
        hidden_size=16,
        intermediate_size=24,
        num_hidden_layers=3,
        num_attention_heads=2,
        bos_token_id=1,
        eos_token_id=2,
    )
    torch.manual_seed(0)
    LlamaForCausalLM(config).save_pretrained(folder)
    return load_model(folder, precision="fp32")


@pytest.fixture(scope="module")
def blanks(tmp_path_factory):
    """As Llama-2's: SentencePiece with a mark for blanks, single digits and byte tokens."""
    pieces = [f"<0x{byte:02X}>" for byte in range(256)] + ["▁", *DIGITS]
    pieces += [mark + word for word in (*SIGNS, *COMMON) for mark in ("", "▁")] + ["×", "*\r"]
    decoder = decoders.Sequence([decoders.Replace("▁", " "), decoders.ByteFallback(), decoders.Fuse()])
    return save(tmp_path_factory.mktemp("blanks"), pieces, decoder, pre_tokenizers.Metaspace())


@pytest.fixture(scope="module")
def long_numbers(tmp_path_factory):
    """As Llama-3's and GPT-J's: bytes as letters, whole numbers up to 999, layout joined to signs."""
    pieces = [mark + str(n) for n in range(1000) for mark in ("", "Ġ")]
    pieces += [mark + word for word in (*SIGNS, *COMMON) for mark in ("", "Ġ", "ĉ")] + ["=Ċ", "Ġ*Ċ"]
    byte_level = pre_tokenizers.ByteLevel(add_prefix_space=False)
    return save(tmp_path_factory.mktemp("numbers"), pieces, decoders.ByteLevel(), byte_level)


def texts(lm, which):
    return [lm.token(i) for i in concept_tokens(lm, which)]


def with_blanks(words):
    return sorted(mark + word for word in words for mark in ("", " "))


def test_the_short_list_with_blanks(blanks):
    """Neither byte tokens, which the vocabulary never writes these with, nor a sign with a line end."""
    assert blanks.token(blanks.tokenizer.convert_tokens_to_ids("<0x35>")) == "5"
    assert sorted(texts(blanks, SHORT)) == sorted([*DIGITS, *with_blanks(SIGNS), "×"])
    assert 15 <= len(texts(blanks, SHORT)) <= 25


def test_digits_are_listed_up_to_twenty(long_numbers):
    numbers = with_blanks(map(str, range(21)))
    assert sorted(texts(long_numbers, SHORT)) == sorted(numbers + with_blanks(SIGNS))
    assert sorted(long_numbers.token(i) for i in concept_groups(long_numbers, WORDS)["digits"]) == sorted(numbers)
    assert len(concept_groups(long_numbers, EVERY)["digits"]) == 2000


@pytest.mark.parametrize("vocabulary", ["blanks", "long_numbers"])
def test_words_with_another_meaning_are_left_out(vocabulary, request):
    lm = request.getfixturevalue(vocabulary)
    found = set(texts(lm, WORDS))
    assert set(with_blanks(["eight", "Eight", "six", "VIII", "plus"])) <= found
    other = set(with_blanks(["I", "x", "v", "un", "due", "elf", "once", "null", "NULL"]))
    assert not other & found
    assert found | other <= set(texts(lm, EVERY))
    assert not {"the", " the", "\tnull"} & set(texts(lm, EVERY))


def test_vocabularies_of_published_models(on_tokenizer):
    """What the id alone writes is a sign or number; a byte within a character, which is shown as a letter, is not."""
    for which in CONCEPT_LISTS:
        forms = frozenset().union(*concept_forms(which).values())
        written = [on_tokenizer.decode([i]).strip(" ").lower() for i in concept_tokens(on_tokenizer, which)]
        assert set(DIGITS) <= set(written) <= forms
    short = texts(on_tokenizer, SHORT)
    assert {"+", "-", "*", "/", "="} <= {text.strip() for text in short}
    assert len(short) == len(set(short))
    assert not {" NULL", " once", " un", " due", " elf", " I", " x", " v"} & set(texts(on_tokenizer, WORDS))


def test_the_short_list_of_llamas_kind(random_on):
    """As many tokens as fit the counts of table 8."""
    lm = load_model(random_on("mistral"), precision="fp32")
    assert lm.n_vocab == 32000
    assert len(concept_tokens(lm, SHORT)) == 25


def test_the_list_of_the_bundled_models_training(bundled):
    """`training.penalties` compares the same words with its vocabulary."""
    words = number_words() | OPERATOR_WORDS
    assert concept_tokens(bundled, EVERY) == [i for i in range(bundled.n_vocab) if bundled.token(i).lower() in words]


def test_lists_grow():
    forms = [frozenset().union(*concept_forms(which).values()) for which in CONCEPT_LISTS]
    assert forms[0] < forms[1] < forms[2]
    assert forms[2] - forms[1] == OTHER_MEANING | {str(n) for n in range(21, 1000)}
    assert number_words() < forms[2]
    assert {"+", "−", "0", "20"} <= forms[0]
    assert {"i", "x", "iv", "null", "sept"} <= OTHER_MEANING < number_words()
    assert not OTHER_MEANING & {form for name in ("English words", "ordinals") for form in number_forms()[name]}
    with pytest.raises(UserError, match="every written form"):
        concept_forms("all")


@pytest.mark.parametrize("which", CONCEPT_LISTS)
def test_groups_together_are_the_concepts(bundled, which):
    groups = concept_groups(bundled, which)
    assert list(groups) == list(concept_forms(which))
    assert sorted({i for ids in groups.values() for i in ids}) == concept_tokens(bundled, which)
    assert all(ids == sorted(ids) for ids in some(list(groups.values())))
    assert not set(groups["operator signs"]) & set(groups.get("operator words", ()))


def test_groups_of_the_default_list(bundled):
    groups = concept_groups(bundled)
    assert list(groups) == [*number_forms(), "operator signs", "operator words"]
    for name, token in [
        ("digits", "7"),
        ("English words", "seven"),
        ("ordinals", "seventh"),
        ("Roman numerals", "VII"),
        ("German words", "acht"),
        ("operator signs", "+"),
        ("operator words", "plus"),
    ]:
        assert token in {bundled.token(i).strip() for i in groups[name]}


def test_what_the_filter_takes(bundled):
    assert chosen_concepts(bundled, None) == concept_tokens(bundled) == concept_tokens(bundled, WORDS)
    assert chosen_concepts(bundled, SHORT) == concept_tokens(bundled, SHORT)
    assert chosen_concepts(bundled, [7, 3, 7]) == [3, 7]
    for bad in ([], [-1], [bundled.n_vocab], "no such list"):
        with pytest.raises(UserError):
            chosen_concepts(bundled, bad)


def test_a_vocabulary_without_numbers(tmp_path):
    lm = save(tmp_path, ["▁the", "▁of"], decoders.Metaspace(), pre_tokenizers.Metaspace())
    with pytest.raises(UserError, match="digits and operator signs"):
        chosen_concepts(lm, SHORT)


def test_an_edited_list(bundled):
    chosen = concept_ids(bundled, ["eight", " + ", "EIGHT", "viii", ""])
    assert chosen == sorted(chosen)
    assert len(chosen) == len(set(chosen))
    assert {bundled.token(i).strip() for i in chosen} == {"eight", "+", "VIII"}
    for which in some(CONCEPT_LISTS):
        every = [bundled.token(i) for i in concept_tokens(bundled, which)]
        assert concept_ids(bundled, every) == concept_tokens(bundled, which)
    with pytest.raises(UserError, match="'zzyzx', 'qwrt'"):
        concept_ids(bundled, ["eight", "zzyzx", "qwrt"])
    for nothing in ([], [" "]):
        with pytest.raises(UserError):
            concept_ids(bundled, nothing)


def test_a_word_with_and_without_a_blank(blanks):
    assert [blanks.token(i) for i in word_tokens(blanks, "eight")] == ["eight", " eight"]
    assert [blanks.token(i) for i in word_tokens(blanks, "5")] == ["5"]
    assert len(concept_ids(blanks, ["eight"])) == 4


def test_the_vocabulary_is_read_once_a_tokenizer(tmp_path, monkeypatch):
    """Pages ask at every rerun; another model with the same tokenizer asks too, and an added token is seen."""
    lm = predicting(tmp_path, {EQUALS: EIGHT})
    read = []
    monkeypatch.setattr(
        type(lm), "token", lambda self, i: read.append(i) or str(self.tokenizer.convert_ids_to_tokens(i))
    )
    first = concept_tokens(lm, EVERY)
    assert len(read) == lm.n_vocab
    assert concept_tokens(lm, EVERY) == first
    assert concept_groups(lm, SHORT)["digits"]
    assert concept_tokens(replace(lm), EVERY) == first
    assert len(read) == lm.n_vocab
