"""The unembedding by blocks of the vocabulary, against the whole output matrix."""

from dataclasses import replace

import pytest
import torch

from core.model.unembed import Unembedding
from tests import plain
from tests.some import some


@pytest.mark.parametrize("tokens", [1, 7, 100, 10**6])
def test_blocks_make_up_the_matrix(any_model, tokens):
    unembedding = replace(Unembedding.of(any_model), block=tokens * any_model.d_model + 1)
    parts = list(unembedding.blocks())
    assert [place.start for place, _ in parts] == list(range(0, any_model.n_vocab, tokens))
    assert all(len(block) <= tokens and block.dtype == torch.float32 for _, block in some(parts))
    whole = plain.weight(any_model.modules.unembedding)
    assert torch.equal(torch.cat([block for _, block in parts]).double(), whole)
    assert torch.equal(unembedding.rows([5, 0]).double(), whole[[5, 0]])


@pytest.mark.parametrize("tokens", [1, 100, 10**6])
@pytest.mark.parametrize("shape", [(), (1,), (3,), (2, 3)])
def test_products_are_those_of_the_matrix(any_model, tokens, shape):
    unembedding = replace(Unembedding.of(any_model), block=tokens * any_model.d_model)
    generator = torch.Generator().manual_seed(1)
    x = torch.randn(*shape, any_model.d_model, generator=generator)
    whole = plain.weight(any_model.modules.unembedding)
    found = unembedding.product(x)
    assert found.shape == (*shape, any_model.n_vocab)
    assert torch.allclose(found.double(), x.double() @ whole.T, atol=1e-5)
    y, scale = x if shape else x[None], torch.tensor(1.3)
    logits = unembedding.normalised(y, scale).double() @ whole.T
    if unembedding.matrix_bias is not None:
        logits = logits + unembedding.matrix_bias.double()
    assert torch.allclose(unembedding.uncapped(y, scale).double(), logits, atol=1e-5)
    if cap := unembedding.cap:
        logits = cap * (logits / cap).tanh()
    assert torch.allclose(unembedding.log_probabilities(y, scale).double(), logits.log_softmax(-1), atol=1e-5)


@pytest.mark.parametrize("tokens", [1, 100, 10**6])
def test_mean_rows_are_those_of_the_matrix(any_model, tokens):
    unembedding = replace(Unembedding.of(any_model), block=tokens * any_model.d_model)
    p = torch.randn(3, any_model.n_vocab, generator=torch.Generator().manual_seed(2)).softmax(-1)
    wanted = p.double() @ plain.weight(any_model.modules.unembedding)
    assert torch.allclose(unembedding.mean_rows(p).double(), wanted, atol=1e-6)


def test_pulled_back_rows_give_the_same_logits(any_model):
    """To scale and centre the rows, or what they are multiplied with, is the same."""
    unembedding = Unembedding.of(any_model)
    x = torch.randn(4, any_model.d_model, generator=torch.Generator().manual_seed(3))
    rows = unembedding.rows([3, 9, 4])
    wanted = unembedding.direction(x) @ rows.T
    assert torch.allclose(x @ unembedding.pulled_back(rows).T, wanted, atol=1e-5)


def test_the_matrix_is_not_copied(any_model):
    weight = any_model.modules.unembedding.weight
    assert Unembedding.of(any_model).stored.data_ptr() == weight.data_ptr()
