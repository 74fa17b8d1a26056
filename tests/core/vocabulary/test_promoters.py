"""Which neurons promote a word, against the full vocabulary of every neuron."""

import pytest
import torch

from core.errors import UserError
from core.model.weights import values
from core.progress import Stopped
from core.vocabulary.concepts import word_tokens
from core.vocabulary.neuron_tokens import top_tokens
from core.vocabulary.projection import project
from core.vocabulary.promoters import promoters
from tests.some import some


def dense_scores(lm, token):
    """Score [layer, neuron, sign] of a token by the full vocabulary, in float64; plus, then minus."""
    found = []
    for layer in range(lm.n_layers):
        logits = project(lm, values(lm, layer)).double()
        score = (logits[:, token] - logits.mean(-1)) / logits.std(-1, correction=0)
        found.append(torch.stack([score, -score], -1))
    return torch.stack(found)


def test_best_of_the_whole_model_by_the_full_vocabulary(any_model):
    token = word_tokens(any_model, "eight")
    scores = torch.stack([dense_scores(any_model, i) for i in token]).amax(0)
    found = promoters(any_model, "eight", k=25)
    assert found.tokens == token
    assert found.layers == list(range(any_model.n_layers))
    best = scores.flatten().sort(descending=True).values[:25]
    assert torch.allclose(torch.tensor([p.score for p in found.found]).double(), best, atol=1e-4)
    for p in some(found.found):
        at = scores[p.layer, p.neuron, 0 if p.sign == 1 else 1]
        assert p.score == pytest.approx(at.item(), abs=1e-4)
        order = project(any_model, p.sign * values(any_model, p.layer)[p.neuron]).argsort(descending=True).tolist()
        assert order.index(p.token) == p.rank - 1
        assert p.top_tokens == top_tokens(any_model, p.layer, p.neuron, coefficient=float(p.sign))
    frame = found.to_frame()
    assert frame["score"].is_monotonic_decreasing
    assert len(frame) == 25
    assert list(frame) == ["layer", "neuron", "sign", "token", "score", "rank", "top_tokens"]


def test_some_layers_and_stop(bundled):
    whole = promoters(bundled, "8", k=5, layers=[2, 5])
    assert {p.layer for p in whole.found} <= {2, 5}

    def stop(done, total):
        assert total == 2
        raise Stopped

    part = promoters(bundled, "8", k=5, layers=[2, 5], progress=stop)
    assert part.layers == [2]
    assert part.found == promoters(bundled, "8", k=5, layers=[2]).found


def test_more_than_there_are(bundled):
    found = promoters(bundled, "8", k=10**6, layers=[1], n_top=1).found
    assert len({(p.neuron, p.sign) for p in found}) == len(found) == 2 * bundled.n_neurons


def test_words(bundled):
    for i in some(word_tokens(bundled, " eight ")):
        assert bundled.token(i).strip() == "eight"
    assert word_tokens(bundled, "EIGHT") == word_tokens(bundled, "eight")
    assert word_tokens(bundled, "viii") == word_tokens(bundled, "VIII")
    pieces = [bundled.token(i) for i in bundled.encode_answer("347")]
    assert len(pieces) > 1
    with pytest.raises(UserError, match=repr(pieces[0])):
        word_tokens(bundled, "347")
    for word in ("", " ", "zzyzx"):
        with pytest.raises(UserError):
            promoters(bundled, word)
    for arguments in ({"k": 0}, {"layers": [99]}, {"layers": []}, {"n_top": 0}):
        with pytest.raises(UserError):
            promoters(bundled, "8", **arguments)


def test_a_long_word_is_told_shortly(bundled):
    with pytest.raises(UserError) as told:
        promoters(bundled, "3+" * 1000)
    assert "several tokens" in str(told.value)
    assert len(str(told.value)) < 300
