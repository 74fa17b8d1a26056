"""Mask, keep, and the lowest neuron off over a set, against plain loops over cases."""

import math
from dataclasses import replace

import pytest
import torch

from core.ablation.cases import asked, remembered
from core.ablation.mask_keep import mask_and_keep
from core.ablation.root import ablate_root
from core.errors import UserError
from core.forward.answers import are_right, question
from core.forward.record import record
from core.hooks import ScaleNeuron, intervene
from core.metrics import coefficient_decrease
from core.neurons.root import root_of
from core.progress import Stopped
from core.prompts.arithmetic import make_prompts
from tests.dense import dense_comparison
from tests.some import some

KS = [30, 5, 1]
PROMPTS = make_prompts(["+", "-"], digits=[1, 2], forms=["digits", "words"], templates=[1, 3], count=3)


def dense(lm, head, k=60):
    """Neurons ranked by change, the plain way."""
    return remembered(lambda ids: dense_comparison(lm, list(ids), [head], k))


@pytest.fixture(scope="module")
def compare(bundled, arithmetic_head):
    return dense(bundled, arithmetic_head)


def right_with(lm, q, pairs):
    with intervene(lm, *(ScaleNeuron(layer, neuron, 0.0) for layer, neuron in pairs)):
        return are_right(lm, [q])[0]


def test_mask_and_keep_equal_a_plain_loop(bundled, compare, arithmetic_head):
    begin = arithmetic_head[0]
    found = mask_and_keep(bundled, PROMPTS, compare, begin, KS)
    deep = {(layer, n) for layer in range(begin, bundled.n_layers) for n in range(bundled.n_neurons)}
    verdicts = []
    for i, prompt in enumerate(PROMPTS):
        q = question(bundled, prompt)
        right = are_right(bundled, [q])[0]
        assert bool(found.measured[i]) == right
        if not right:
            continue
        c = compare(asked(bundled, q))
        for at, k in enumerate(KS):
            top = set(c.top(k))
            assert bool(found.mask[i, at]) == right_with(bundled, q, top)
            verdicts.append(right_with(bundled, q, deep - top))
            assert bool(found.keep[i, at]) == verdicts[-1]
            m, off = c.coefficient_first[:k], c.coefficient_second[:k]
            whole = sum(abs(a) for a in m.tolist())
            rest = sum(b if a > 0 else -b for a, b in zip(m.tolist(), off.tolist(), strict=True))
            assert found.coefficient[i, at].item() == pytest.approx(1 - rest / whole, abs=1e-5)
    assert verdicts
    frame, n = found.to_frame(), int(found.measured.sum())
    assert frame["measure"].tolist() == [m for m in ("mask", "keep", "coefficient") for _ in KS]
    assert frame["cases"].eq(n).all()
    assert frame["k"].tolist() == KS * 3
    keeps = frame[frame["measure"] == "keep"]["decrease"].tolist()
    assert keeps[0] == pytest.approx(1 - sum(verdicts[:: len(KS)]) / n)
    cases = found.cases_frame()
    assert len(cases) == n * len(KS)
    assert cases.groupby("k")["mask"].mean()[30] == pytest.approx(1 - frame["decrease"][0])


def test_lowest_off_equals_a_plain_loop(bundled, compare):
    found = ablate_root(bundled, PROMPTS, compare, KS)
    for i in some(found.measured.nonzero()[:, 0].tolist()):
        ids = asked(bundled, question(bundled, PROMPTS[i]))
        c = compare(ids)
        for at, k in enumerate(KS):
            top = list(zip(c.pairs[:k], c.importance_first[:k].tolist(), c.coefficient_first[:k].tolist(), strict=True))
            bottom = min(layer for (layer, _), _, _ in top)
            root = max((row for row in top if row[0][0] == bottom), key=lambda row: row[1])[0]
            assert tuple(found.root[i, at].tolist()) == root
            with intervene(bundled, ScaleNeuron(*root, 0.0)):
                run = record(bundled, list(ids))
            others = [(pair, m) for pair, _, m in top if pair != root]
            whole = sum(abs(m) for _, m in others)
            rest = sum(math.copysign(1, m) * run.coefficient[p[0], -1, p[1]].item() for p, m in others)
            if others:
                assert found.decrease[i, at].item() == pytest.approx(1 - rest / whole, abs=1e-4)
            else:
                assert math.isnan(found.decrease[i, at])
    frame = found.to_frame()
    assert frame["k"].tolist() == KS
    assert math.isnan(frame["decrease"][2])
    mean = found.decrease[found.measured, 0].mean().item()
    assert frame["decrease"][0] == pytest.approx(mean, abs=1e-6)
    assert len(found.cases_frame()) == int(found.measured.sum()) * len(KS)


@pytest.mark.parametrize("measure", ["mask", "lowest"])
def test_stop_keeps_what_is_measured(bundled, compare, arithmetic_head, measure):
    def run(progress):
        if measure == "mask":
            return mask_and_keep(bundled, PROMPTS, compare, arithmetic_head[0], KS, progress)
        return ablate_root(bundled, PROMPTS, compare, KS, progress)

    seen = []

    def stop(done, total):
        seen.append((done, total))
        if done >= total / 2:
            raise Stopped

    part, whole = run(stop), run(lambda done, total: seen.append((done, total)))
    done = part.measured
    assert 0 < int(done.sum()) < int(whole.measured.sum())
    assert not (done & ~whole.measured).any()
    if measure == "mask":
        assert torch.equal(part.mask[done], whole.mask[done])
        assert torch.equal(part.keep[done], whole.keep[done])
        assert (part.to_frame()["cases"] == int(done.sum())).all()
    else:
        assert torch.equal(part.root[done], whole.root[done])
    assert seen[-1][0] == seen[-1][1]
    parts = [at / of for at, of in seen[seen.index((0, len(PROMPTS)), 1) :] if of]
    assert all(0 <= x <= 1 for x in some(parts))

    def at_once(done, total):
        raise Stopped

    assert not run(at_once).measured.any()


def test_sign_of_coefficients_counts():
    """A negative coefficient that shrinks is a decrease; one that turns around, more than all of it."""
    assert coefficient_decrease(torch.tensor([-6.0, 2.0]), torch.tensor([-3.0, 2.0])) == pytest.approx(3 / 8)
    assert coefficient_decrease(torch.tensor([-6.0]), torch.tensor([6.0])) == pytest.approx(2.0)
    assert math.isnan(coefficient_decrease(torch.zeros(0), torch.zeros(0)))


def test_root_is_the_most_important_of_the_lowest_layer(bundled, compare):
    c = compare(bundled.encode("3+5="))
    layer = torch.full_like(c.layer, 6)
    layer[3], layer[8], layer[9] = 5, 5, 4
    importance = c.importance_first.clone()
    importance[3], importance[8] = 0.25, 0.5
    made = replace(c, layer=layer, importance_first=importance)

    def root(k: int) -> tuple[int, int]:
        return root_of(made.top(k), made.importance_first[:k])

    assert root(9) == (5, int(c.neuron[8]))
    assert root(10) == (4, int(c.neuron[9]))
    assert root(8) == (5, int(c.neuron[3]))
    assert root(3)[0] == 6


def test_blanks_that_begin_an_answer_belong_to_the_prompt(bundled):
    q = question(bundled, PROMPTS[0])
    blank = next((i for i in range(bundled.n_vocab) if not bundled.token(i).strip()), None)
    assert asked(bundled, q) == tuple(q.ids)
    if blank is not None:
        shifted = type(q)(q.ids, [blank, *q.answer], [None, *q.kinds])
        assert asked(bundled, shifted) == (*q.ids, blank)


def test_bad_input(bundled, compare):
    some = PROMPTS[:2]
    for call in (
        lambda: mask_and_keep(bundled, [], compare, 4),
        lambda: mask_and_keep(bundled, some, compare, 99),
        lambda: mask_and_keep(bundled, some, compare, 4, ks=[]),
        lambda: mask_and_keep(bundled, some, compare, 4, ks=[5, 0]),
        lambda: mask_and_keep(bundled, PROMPTS, compare, 4, ks=[61]),  # only 60 were ranked
        lambda: ablate_root(bundled, [], compare),
        lambda: ablate_root(bundled, PROMPTS, compare, ks=[61]),
    ):
        with pytest.raises(UserError):
            call()
