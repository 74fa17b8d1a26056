"""The benchmark in true shapes, on a small one: operations agree with their plain ways, and a wrong result is told."""

import pytest
import torch

from benchmarks.shapes.__main__ import Measured, compared, measure
from benchmarks.shapes.checkpoint import SHAPES, Shape, make_checkpoint
from benchmarks.shapes.operations import MOST, OPERATIONS, Operation, Plain
from core.model.load import load_model

SMALL = Shape(n_layers=4, d_model=64, n_neurons=300, n_heads=4, n_kv_heads=2, n_vocab=3000)


@pytest.fixture(scope="module")
def small(tmp_path_factory):
    return load_model(make_checkpoint(SMALL, tmp_path_factory.mktemp("small")), precision="bf16")


def test_a_checkpoint_has_its_shape_and_always_the_same_weights(small, tmp_path):
    found = (small.n_layers, small.d_model, small.n_neurons, small.n_heads, small.n_vocab)
    assert found == (4, 64, 300, 4, 3000)
    assert small.precision == "bf16"
    again = load_model(make_checkpoint(SMALL, tmp_path), precision="bf16")
    assert torch.equal(again.model.lm_head.weight, small.model.lm_head.weight)
    assert 0.001 < float(small.logits(small.encode("3+5="))[-1].softmax(-1).max()) < 0.9


def test_a_tied_checkpoint_reads_its_embedding(tmp_path):
    tied = Shape(n_layers=1, d_model=64, n_neurons=128, n_heads=4, n_kv_heads=2, n_vocab=2500, tied=True)
    lm = load_model(make_checkpoint(tied, tmp_path), precision="bf16")
    assert lm.model.lm_head.weight.data_ptr() == lm.model.model.embed_tokens.weight.data_ptr()
    assert SHAPES["Llama-3.2-1B"].tied


@pytest.mark.parametrize("name", OPERATIONS)
def test_every_operation_agrees_with_the_plain_way(small, name):
    """`measure` ends the program where it does not."""
    found = measure(small, name, repeats=1)
    assert found.seconds > 0
    assert found.passes > 0
    assert found.megabytes >= 0
    assert (found.difference is None) == (name not in MOST)
    assert name == "preparation" or found.flop > 0
    assert name in found.line(name)


def test_a_wrong_result_ends_the_program(small):
    operation = OPERATIONS["increase"]
    ours, plain = operation.ours(small), operation.plain(small)
    assert compared(small, "increase", operation, ours, plain.part) <= MOST["increase"]
    with pytest.raises(SystemExit, match="do not agree"):
        compared(small, "increase", operation, ours, plain.part + 1e-3)


def test_what_is_not_a_number_does_not_agree(small):
    never = Operation(lambda lm: 0, lambda lm: Plain(0, 1.0), lambda lm, ours, plain: float("nan"))
    with pytest.raises(SystemExit, match="do not agree"):
        compared(small, "cna", never, 0, 0)


def test_the_line_tells_ratios():
    line = Measured(2.0, 1.25, 100.0, 3e9, 0.5, 120.0, 1e-6).line("cna")
    assert "1.25 passes" in line
    assert "50.0 x plain" in line
    assert "3.0 GFLOP" in line
    assert "50.0% of peak" in line
