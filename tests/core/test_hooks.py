"""Identities of interventions, on every architecture."""

import hashlib
import random
import threading

import pytest
import torch

from core.errors import UserError
from core.hooks import ScaleHead, ScaleNeuron, intervene
from core.model.load import load_model
from tests.plain import matrix

IDS = [0, 5, 17, 9, 44]


def weights_hash(lm) -> str:
    digest = hashlib.sha256()
    for parameter in lm.model.parameters():
        digest.update(parameter.detach().numpy().tobytes())
    return digest.hexdigest()


def n_hooks(lm) -> int:
    return sum(len(m._forward_hooks) + len(m._forward_pre_hooks) for m in lm.model.modules())


def test_factor_one_changes_nothing_bit_for_bit(any_model):
    plain = any_model.logits(IDS)
    with intervene(any_model, ScaleHead(1, 2, 1.0), ScaleNeuron(2, 7, 1.0)):
        assert torch.equal(any_model.logits(IDS), plain)


@pytest.mark.parametrize("factor", [0.0, -1.5, 2.0])
def test_same_as_edited_weights(any_model, checkpoints, factor):
    """Scaling a head or neuron equals scaling its columns of the output map, in a copy."""
    with intervene(any_model, ScaleHead(1, 2, factor), ScaleNeuron(2, 7, factor), ScaleNeuron(0, 3, factor)):
        hooked = any_model.logits(IDS)
    copy = load_model(any_model.name, precision="fp32")
    d = copy.d_head
    matrix(copy.modules.head_output(1)).data[:, 2 * d : 3 * d] *= factor
    matrix(copy.modules.neuron_output(2)).data[:, 7] *= factor
    matrix(copy.modules.neuron_output(0)).data[:, 3] *= factor
    assert torch.allclose(hooked, copy.logits(IDS), atol=2e-5)
    assert not torch.allclose(hooked, any_model.logits(IDS), atol=1e-3)


def test_edits_of_one_head_multiply_and_blocks_nest(any_model):
    with intervene(any_model, ScaleHead(0, 1, 6.0)):
        once = any_model.logits(IDS)
    with intervene(any_model, ScaleHead(0, 1, 2.0), ScaleHead(0, 1, 3.0)):
        assert torch.allclose(any_model.logits(IDS), once, atol=1e-5)
    with intervene(any_model, ScaleHead(0, 1, 2.0)), intervene(any_model, ScaleHead(0, 1, 3.0)):
        assert torch.allclose(any_model.logits(IDS), once, atol=1e-5)


class Rerun(BaseException):
    """Like the exception with which Streamlit ends a run."""


@pytest.mark.parametrize("error", [ValueError, KeyboardInterrupt, Rerun])
def test_leaving_by_an_error_restores(bundled, error):
    plain, hooks = bundled.logits(IDS), n_hooks(bundled)
    with pytest.raises(error), intervene(bundled, ScaleHead(3, 1, 0.0)):  # noqa: PT012
        assert not torch.equal(bundled.logits(IDS), plain)
        raise error
    assert n_hooks(bundled) == hooks
    assert torch.equal(bundled.logits(IDS), plain)


def test_leaving_by_return_restores(bundled):
    plain = bundled.logits(IDS)

    def inside():
        with intervene(bundled, ScaleNeuron(7, 1, 5.0)):
            return bundled.logits(IDS)

    inside()
    assert torch.equal(bundled.logits(IDS), plain)
    assert n_hooks(bundled) == 0


def test_two_sessions_at_the_same_time(bundled):
    """Each thread gets exactly what it gets alone, also while the other is inside its block."""
    edits = {"a": ScaleHead(4, 0, 0.0), "b": ScaleHead(3, 2, -2.0), "plain": None}

    def run(edit):
        if edit is None:
            return bundled.logits(IDS)
        with intervene(bundled, edit):
            return bundled.logits(IDS)

    alone = {name: run(edit) for name, edit in edits.items()}
    wrong, barrier = [], threading.Barrier(3)

    def session(name, edit):
        barrier.wait()
        for _ in range(40):
            if not torch.equal(run(edit), alone[name]):
                wrong.append(name)

    threads = [threading.Thread(target=session, args=item) for item in edits.items()]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert wrong == []
    assert not torch.equal(alone["a"], alone["b"])


def test_a_block_left_open_elsewhere_does_not_leak(bundled):
    plain = bundled.logits(IDS)
    entered, leave = threading.Event(), threading.Event()

    def hold():
        with intervene(bundled, ScaleHead(4, 0, 0.0)):
            bundled.logits(IDS)
            entered.set()
            leave.wait(30)

    thread = threading.Thread(target=hold)
    thread.start()
    entered.wait(30)
    try:
        assert torch.equal(bundled.logits(IDS), plain)
    finally:
        leave.set()
        thread.join()


def test_weights_stay_after_a_thousand_random_runs(checkpoints):
    lm = load_model(checkpoints("llama"), precision="fp32")
    before, rng = weights_hash(lm), random.Random(0)
    for _ in range(1000):
        edit = rng.choice(
            [
                ScaleHead(rng.randrange(3), rng.randrange(4), rng.uniform(-3, 3)),
                ScaleNeuron(rng.randrange(3), rng.randrange(48), rng.uniform(-3, 3)),
            ]
        )
        with intervene(lm, edit):
            lm.logits([0, rng.randrange(1100)])
    assert weights_hash(lm) == before
    assert n_hooks(lm) == 0


def test_a_hook_that_never_fires_is_an_error(bundled):
    with pytest.raises(UserError, match="not run inside"), intervene(bundled, ScaleHead(0, 0, 0.0)):
        pass


@pytest.mark.parametrize(
    "edit",
    [
        ScaleHead(99, 0, 0.0),
        ScaleHead(0, 99, 0.0),
        ScaleHead(-1, 0, 0.0),
        ScaleNeuron(0, 10**6, 0.0),
        ScaleHead(0, 0, float("nan")),
        ScaleNeuron(0, 0, float("inf")),
    ],
)
def test_bad_edits_are_refused_before_anything_changes(bundled, edit):
    with pytest.raises(UserError), intervene(bundled, ScaleHead(1, 1, 0.0), edit):
        raise AssertionError("the block must not be entered")
    assert n_hooks(bundled) == 0
