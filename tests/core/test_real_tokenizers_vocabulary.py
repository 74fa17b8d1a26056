"""Concept tokens and the shallow filter on vocabularies of 32,000 to 131,072 tokens, and on two small ones.

What a token writes is asked of the tokenizer's own decoder; projections are made by hand in float64.
"""

import pytest
import torch

from core.vocabulary.concepts import DEFAULT_LIST, SHORT_LIST, concept_tokens, word_tokens
from core.vocabulary.shallow import shallow_counts
from tests import plain
from tests.some import some

SIGNS = "+ - * / = × ÷ −".split()
NUMBERS = [str(n) for n in range(21)]
ANOTHER_MEANING = "null once un due elf i x v dos".split()


@pytest.fixture(scope="module")
def written(on_tokenizer) -> dict[str, list[int]]:
    """Ids by what each token adds to a text, without its blank and in lower case; no tokens of one byte."""
    tokenizer = on_tokenizer.tokenizer
    before = tokenizer.encode("x", add_special_tokens=False)
    found: dict[str, list[int]] = {}
    for i, token in enumerate(tokenizer.convert_ids_to_tokens(range(len(tokenizer)))):
        if not token.startswith("<0x"):
            added = tokenizer.decode([*before, i])[1:]
            found.setdefault(added.removeprefix(" ").lower(), []).append(i)
    return found


def test_the_short_list_is_what_the_papers_counts_suggest(on_tokenizer, written):
    """Every token that writes a number up to 20 or an operator sign, and no bytes."""
    wanted = sorted(i for word in NUMBERS + SIGNS for i in written.get(word, []))
    assert concept_tokens(on_tokenizer, SHORT_LIST) == wanted
    assert 15 <= len(wanted) <= 70


def test_number_words_and_no_words_of_another_meaning(on_tokenizer, written):
    chosen = set(concept_tokens(on_tokenizer, DEFAULT_LIST))
    for word in some(word for word in "three seven eight eleven twenty plus minus sum".split() if word in written):
        assert set(written[word]) <= chosen, word
    for word in some(word for word in ANOTHER_MEANING if word in written):
        assert not chosen & set(written[word]), word
    eight = word_tokens(on_tokenizer, "eight")  # with these capitals, with and without a blank
    assert eight == [i for i in written["eight"] if on_tokenizer.tokenizer.decode([i]).strip() == "eight"]


def test_counts_of_the_shallow_filter_by_hand(on_tokenizer):
    """W_U (g * W_O W_V (g_1 * v)) in float64, for layer 0 through layer 1."""
    lm, model = on_tokenizer, on_tokenizer.model
    first, second = model.model.layers
    attention = second.self_attn
    carried = second.input_layernorm.weight.double()[:, None] * plain.weight(first.mlp.down_proj)
    carried = plain.weight(attention.o_proj) @ plain.weight(attention.v_proj) @ carried  # (d_model, neuron)
    logits = plain.weight(model.lm_head) @ (model.model.norm.weight.double()[:, None] * carried)
    ids = concept_tokens(lm, DEFAULT_LIST)
    concept = torch.zeros(lm.n_vocab, dtype=torch.bool)
    concept[ids] = True
    plus, minus = (concept[(side * logits).topk(50, dim=0).indices].sum(0) for side in (1, -1))
    found = shallow_counts(lm, range(1), concepts=ids, signs="both")
    off = (found.count[0, :, 0].long() - torch.maximum(plus, minus)).abs()
    assert int(off.sum()) <= 2  # float32 may order two tokens otherwise
    assert int(plus.max()) > 0
    alone = shallow_counts(lm, range(1), concepts=ids, signs="plus")
    assert int((alone.count[0, :, 0].long() - plus).abs().sum()) <= 2
    assert alone.n_vocab == model.config.vocab_size
