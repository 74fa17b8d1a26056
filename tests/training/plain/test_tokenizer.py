"""The plain model's tokenizer: blanks before words, single digits, bytes for everything else."""

import random

import pytest
from transformers import AutoTokenizer

from core.model.source import BUNDLED
from tests.some import some
from training.plain.texts import draw
from training.plain.tokenizer import BLANK, PIECES, build_tokenizer


@pytest.fixture(scope="module")
def tokenizer():
    return build_tokenizer()


def test_ships_the_tokenizer_that_the_script_builds(tokenizer):
    assert AutoTokenizer.from_pretrained(BUNDLED["bundled/plain"]).get_vocab() == tokenizer.get_vocab()


def test_digits_are_single_and_stand_behind_a_blank(tokenizer):
    assert len(tokenizer) == PIECES
    assert tokenizer.tokenize("15 + 238 = ") == [BLANK, "1", "5", f"{BLANK}+", BLANK, "2", "3", "8", f"{BLANK}=", BLANK]
    assert tokenizer.tokenize("3+5=8") == [BLANK, "3", "+", "5", "=", "8"]
    assert not [
        token for token in some(tokenizer.get_vocab()) if sum(c.isdigit() for c in token) > 1 and "<" not in token
    ]


def test_common_words_are_one_piece(tokenizer):
    for word in some(("What", "nurse", "seven", "apples", "capital")):
        assert len(tokenizer.tokenize(word)) == 1


@pytest.mark.parametrize("text", ["naïve 数学 is ∑ of 🧮", "Ωmega\tand\nlines", "zebra-crossing @ 12:30!"])
def test_what_no_piece_covers_is_written_in_bytes(tokenizer, text):
    ids = tokenizer(text)["input_ids"]
    assert tokenizer.unk_token_id not in ids
    assert tokenizer.decode(ids, skip_special_tokens=True) == text


def test_its_own_texts_come_back(tokenizer):
    rng = random.Random(9)
    texts = [draw(rng) for _ in range(500)]
    for text, ids in some(list(zip(texts, tokenizer(texts)["input_ids"], strict=True))):
        assert ids[0] == tokenizer.bos_token_id
        assert tokenizer.decode(ids, skip_special_tokens=True) == text
