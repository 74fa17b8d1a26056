"""Which neurons read which heads, against what a change of a head's output changes."""

import pytest
import torch

from core.chain.reach import check_reach, reaches, root_below_heads
from core.errors import UserError
from tests import plain


def test_a_neuron_reads_a_head_when_its_coefficient_changes_without_it(any_model):
    ids = any_model.encode("3+5=")
    nothing = plain.run(any_model.model, ids)
    for layer in range(any_model.n_layers):
        off = plain.run(any_model.model, ids, [(layer, 1)])
        changes = (off.coefficient != nothing.coefficient).any(-1).tolist()
        assert changes == [reaches(any_model, (layer, 1), (other, 0)) for other in range(any_model.n_layers)]


def test_the_root_is_looked_for_among_those_that_read(any_model):
    above = 1 + any_model.modules.parallel
    neurons = [(0, 4), (above, 7), (above, 9), (2, 1)]
    assert root_below_heads(any_model, [(1, 0)], neurons, torch.tensor([9.0, 1.0, 2.0, 5.0]))[0] == above
    check_reach(any_model, [(1, 0)], (above, 7))
    with pytest.raises(UserError, match="Neuron 0_4 reads nothing"):
        check_reach(any_model, [(1, 0), (2, 0)], (0, 4))
    with pytest.raises(UserError, match="None of the neurons"):
        root_below_heads(any_model, [(1, 0)], neurons[:1], [1.0])
