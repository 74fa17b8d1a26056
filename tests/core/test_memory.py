"""What analyses take beside the weights: never a copy of the output matrix or of all of a layer's values.

With blocks made small, the largest tensor of every analysis stays well below the output matrix in float32; at the
size of Llama-3 that matrix alone is 2.1 GB. The results are those of blocks of the usual size.
"""

import pytest
import torch

from benchmarks.shapes.checkpoint import Shape, make_checkpoint
from core.chain import features
from core.chain.features import find_features
from core.forward.record import record
from core.model import unembed
from core.model.load import load_model
from core.neurons import bounds, top_k
from core.neurons.bounds import value_extremes
from core.neurons.compare import compare_heads
from core.neurons.layers import layer_increase
from core.vocabulary import key_tokens as keys
from core.vocabulary import promoters as search
from core.vocabulary import shallow
from core.vocabulary.key_tokens import key_tokens
from core.vocabulary.neuron_tokens import both_sides, tokens_of
from core.vocabulary.promoters import promoters
from core.vocabulary.shallow import shallow_counts
from tests.largest import LargestTensor

SHAPE = Shape(n_layers=3, d_model=64, n_neurons=256, n_heads=4, n_kv_heads=2, n_vocab=20_000)
PROMPT = "3+5="


@pytest.fixture(scope="module")
def wide(tmp_path_factory):
    """A bf16 Llama with a vocabulary that is large beside everything else."""
    return load_model(make_checkpoint(SHAPE, tmp_path_factory.mktemp("wide")), precision="bf16")


@pytest.fixture
def small_blocks(monkeypatch):
    """Blocks as small beside this model as the real ones are beside a large one."""
    for module in (unembed, bounds, top_k, features, keys):
        monkeypatch.setattr(module, "BLOCK", 2**13)
    monkeypatch.setattr(bounds, "_CHUNK", 2**13)
    monkeypatch.setattr(top_k, "_AT_ONCE", 64)
    for module in (shallow, search):
        monkeypatch.setattr(module, "_CHUNK", 2**16)


def frames(comparison):
    return comparison.to_frame(), comparison.target


def increases(found):
    return torch.stack([found.attention, found.ffn])


def found_features(lm):
    run = record(lm, lm.encode(PROMPT))
    rows = find_features(lm, run, [(1, 0)], (2, 5), n=5).to_frame()
    return rows.drop(columns=["tokens_before", "tokens_after"])


ANALYSES = {
    "top neurons": lambda lm: frames(compare_heads(lm, PROMPT, [(1, 0)], 20))[0],
    "all neurons": lambda lm: frames(compare_heads(lm, PROMPT, [(1, 0)]))[0].sort_values(["layer", "neuron"]),
    "layer increase": lambda lm: increases(layer_increase(lm, PROMPT)),
    "preparation": lambda lm: value_extremes(lm)[1],
    "one neuron": lambda lm: both_sides(lm, 0, 5),
    "one neuron through a layer": lambda lm: both_sides(lm, 0, 5, through=2),
    "many neurons": lambda lm: tokens_of(lm, [(1, 5), (0, 7), (1, 8)], [1.0, -1.0, 2.0]),
    "shallow neurons": lambda lm: shallow_counts(lm, [0], concepts=list(range(50))).count,
    "promoters": lambda lm: promoters(lm, "+", k=5).to_frame()[["layer", "neuron", "sign"]],
    "keys": lambda lm: key_tokens(lm, 1, 5, direction="output")[["key", "token"]],
    "features": found_features,
}


@pytest.mark.parametrize("name", ANALYSES)
def test_the_output_matrix_is_never_copied(wide, small_blocks, monkeypatch, tmp_path, name):
    monkeypatch.setenv("ABACUS_CACHE", str(tmp_path))
    with LargestTensor(wide.model) as largest:
        ANALYSES[name](wide)
    assert 0 < largest.bytes < wide.n_vocab * wide.d_model * 4 / 4, largest.made_by


@pytest.mark.parametrize("name", ANALYSES)
def test_the_size_of_blocks_does_not_matter(wide, monkeypatch, tmp_path, request, name):
    monkeypatch.setenv("ABACUS_CACHE", str(tmp_path / "whole"))
    whole = ANALYSES[name](wide)
    request.getfixturevalue("small_blocks")
    monkeypatch.setenv("ABACUS_CACHE", str(tmp_path / "blocks"))
    assert_same(ANALYSES[name](wide), whole)


def assert_same(found, wanted):
    if isinstance(wanted, torch.Tensor):
        assert torch.allclose(found.double(), wanted.double(), atol=1e-5)
    elif isinstance(wanted, (list, tuple)):
        assert found == wanted
    else:
        numbers = wanted.select_dtypes("number").columns
        assert found.drop(columns=numbers).to_numpy().tolist() == wanted.drop(columns=numbers).to_numpy().tolist()
        assert len(numbers) == 0 or (abs(found[numbers].to_numpy(float) - wanted[numbers].to_numpy(float)).max() < 1e-4)


def test_blocks_are_small_beside_any_budget():
    """64 MB or less, whatever the model: two of them, and their product, are far from 2 GB."""
    assert unembed.BLOCK * 4 <= 2**26
    assert bounds._CHUNK * 8 <= 2**26
