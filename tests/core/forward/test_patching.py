"""Sites of activation patching: the embedding, several positions at once, and which layers have a site."""

import pytest
import torch

from core.forward.patching import PairRuns, Place, layers_of
from tests.some import some

BASE, OTHER = "3 + 5 =", "2 * 6 ="


def ends(runs, places):
    with torch.no_grad():
        return torch.log_softmax(runs.patched([(0, place) for place in places]).double(), -1)


def test_a_copied_embedding_is_another_token(any_model):
    """To copy the embedding of one position is to put the other prompt's token there."""
    lm = any_model
    ids, other = lm.encode(BASE), lm.encode(OTHER)
    assert list(layers_of(lm, "embedding")) == [0]
    assert list(layers_of(lm, "ffn")) == list(range(lm.n_layers))
    runs = PairRuns(lm, [ids], [other], ("embedding",))
    found = ends(runs, [Place("embedding", 0, position) for position in range(len(ids))])
    for position, there in enumerate(some(found)):
        mixed = [*ids[:position], other[position], *ids[position + 1 :]]
        assert torch.allclose(there, torch.log_softmax(lm.logits(mixed)[-1].double(), -1), atol=1e-4)


@pytest.mark.parametrize("site", ["embedding", "residual"])
def test_every_position_at_once_is_the_other_run(any_model, site):
    lm = any_model
    ids, other = lm.encode(BASE), lm.encode(OTHER)
    runs = PairRuns(lm, [ids], [other], (site,))
    wanted = torch.log_softmax(lm.logits(other)[-1].double(), -1)
    for there in some(ends(runs, [Place(site, layer, None) for layer in layers_of(lm, site)])):
        assert torch.allclose(there, wanted, atol=1e-4)


def test_one_position_and_all_of_them_share_a_batch(bundled):
    ids, other = bundled.encode(BASE), bundled.encode(OTHER)
    runs = PairRuns(bundled, [ids], [other], ("head", "ffn"))
    places = [Place("ffn", 2, 3), Place("head", 2, None, 1), Place("ffn", 2, None), Place("head", 2, 4, 1)]
    together = ends(runs, places)
    for place, there in zip(some(places), together, strict=True):
        assert torch.allclose(there, ends(runs, [place])[0], atol=1e-4)
