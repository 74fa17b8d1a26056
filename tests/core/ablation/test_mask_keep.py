"""Mask and keep over a set, by edited weights and one case at a time."""

import math

import pytest
import torch

from core.ablation.cases import CaseSet
from core.ablation.mask_keep import mask_and_keep
from core.errors import UserError
from core.forward.record import record
from core.metrics import coefficient_decrease
from core.model.load import load_model
from core.neurons.compare import most_important
from core.prompts.arithmetic import Prompt
from tests.core.ablation.small_set import KS, PROMPTS, stopped_and_whole
from tests.plain import next_token, without_neurons
from tests.some import some
from tests.told_models import BLANK, EIGHT, predicting


def test_equals_edited_weights_token_by_token(bundled, compare, arithmetic_head):
    begin = arithmetic_head[0]
    found = mask_and_keep(bundled, PROMPTS, compare, begin, KS)
    deep = {(layer, n) for layer in range(begin, bundled.n_layers) for n in range(bundled.n_neurons)}
    masked, kept = [], []
    for i, case in enumerate(some(CaseSet.of(bundled, PROMPTS).tokens)):
        assert bool(found.measured[i]) == (next_token(bundled.model, case.ids) == case.token)
        if not found.measured[i]:
            continue
        c = compare(case.ids, case.token)
        assert c.target == case.token
        for at, k in enumerate(KS):
            top = set(c.top(k))
            for right, off, verdicts in (found.mask, top, masked), (found.keep, deep - top, kept):
                with without_neurons(bundled.model, off):
                    verdicts.append(next_token(bundled.model, case.ids) == case.token)
                assert bool(right[i, at]) == verdicts[-1]
            m, off = c.coefficient_first[:k], c.coefficient_second[:k]
            whole = sum(abs(a) for a in m.tolist())
            rest = sum(b if a > 0 else -b for a, b in zip(m.tolist(), off.tolist(), strict=True))
            assert found.coefficient[i, at].item() == pytest.approx(1 - rest / whole, abs=1e-5)
    n = int(found.measured.sum())
    assert 0 < n < len(found.measured)  # some tokens are wrong with nothing ablated
    frame = found.to_frame()
    assert frame["measure"].tolist() == [m for m in ("mask", "keep", "coefficient") for _ in KS]
    assert frame["cases"].eq(n).all()
    assert frame["k"].tolist() == KS * 3
    for measure, verdicts in {"mask": masked, "keep": kept}.items():
        assert len(set(verdicts)) == 2
        wanted = [1 - sum(verdicts[at :: len(KS)]) / n for at in range(len(KS))]
        assert frame[frame["measure"] == measure]["decrease"].tolist() == pytest.approx(wanted)
    rest = frame[frame["measure"] == "coefficient"]
    assert rest["median"].tolist() == pytest.approx(found.coefficient[found.measured].quantile(0.5, 0).tolist())
    assert frame["median"].isna().sum() == 2 * len(KS)


def test_case_by_case(bundled, compare, arithmetic_head):
    found = mask_and_keep(bundled, PROMPTS, compare, arithmetic_head[0], KS)
    frame = found.cases_frame()
    assert len(frame) == int(found.measured.sum()) * len(KS)
    assert frame.groupby("k")["mask"].mean()[30] == pytest.approx(1 - found.to_frame()["decrease"][0])
    last = frame[frame["number"] == len(PROMPTS) - 2]  # the last product
    assert last["prompt"].eq(PROMPTS[-2].text).all()
    assert last["answer"].eq(PROMPTS[-2].answer).all()
    assert last["k"].tolist() == KS * len(PROMPTS[-2].answer)
    assert last["token"].tolist() == [digit for digit in PROMPTS[-2].answer for _ in KS]
    assert last["place"].tolist() == [place for place in range(len(PROMPTS[-2].answer)) for _ in KS]
    case = int(found.measured.nonzero()[-1])
    assert frame["keep"].tolist()[-len(KS) :] == found.keep[case].tolist()


@pytest.fixture
def by_a_neuron(tmp_path):
    """Writes a blank after everything but 8; after a blank its neuron (0, 2) makes it an 8."""
    lm = predicting(tmp_path, {EIGHT: EIGHT}, n_context=20)
    layer = lm.model.model.layers[0]
    ffn = layer.mlp
    with torch.no_grad():
        layer.post_attention_layernorm.weight.fill_(1.0)
        ffn.gate_proj.weight[2, BLANK] = ffn.up_proj.weight[2, BLANK] = 1.0
        ffn.down_proj.weight[EIGHT, 2] = 1.0
    lm.model.save_pretrained(tmp_path)
    return load_model(tmp_path, "fp32")


def test_after_the_blank_of_the_answer(by_a_neuron):
    """Ranked and judged behind the blank, where the neuron acts; the second 8 does not need it."""
    lm = by_a_neuron
    prompts = [Prompt("+", a, b, len(str(a)), "digits", 3) for a, b in ((3, 5), (9, 9), (80, 3), (44, 44))]
    ranked = []

    def compare(ids, target):
        ranked.append((list(ids), target))
        return most_important(lm, record(lm, list(ids)), 2, target)

    found = mask_and_keep(lm, prompts, compare, 0, [1])
    frame = found.cases_frame()
    assert frame["answer"].tolist() == ["8", "83", "88", "88"]
    assert frame["place"].tolist() == [0, 0, 0, 1]
    assert frame["token"].tolist() == ["8"] * 4
    assert frame["mask"].tolist() == [False, False, False, True]
    assert frame["keep"].all()
    assert {ids[-1] for ids, _ in ranked} == {BLANK, EIGHT}
    assert {target for _, target in ranked} == {EIGHT}
    for case in some(found.cases.tokens):
        with without_neurons(lm.model, [(0, 2)]):
            assert next_token(lm.model, case.ids) == (EIGHT if case.ids[-1] == EIGHT else BLANK)


def test_stop_keeps_what_is_measured(bundled, compare, arithmetic_head):
    def run(progress):
        return mask_and_keep(bundled, PROMPTS, compare, arithmetic_head[0], KS, progress)

    part, whole = stopped_and_whole(run)
    done = part.measured
    assert torch.equal(part.mask[done], whole.mask[done])
    assert torch.equal(part.keep[done], whole.keep[done])
    assert (part.to_frame()["cases"] == int(done.sum())).all()


def test_sign_of_coefficients_counts():
    """A negative coefficient that shrinks is a decrease; one that turns around, more than all of it."""
    assert coefficient_decrease(torch.tensor([-6.0, 2.0]), torch.tensor([-3.0, 2.0])) == pytest.approx(3 / 8)
    assert coefficient_decrease(torch.tensor([-6.0]), torch.tensor([6.0])) == pytest.approx(2.0)
    assert math.isnan(coefficient_decrease(torch.zeros(0), torch.zeros(0)))


def test_bad_input(bundled, compare):
    some = PROMPTS[:2]
    for call in (
        lambda: mask_and_keep(bundled, [], compare, 4),
        lambda: mask_and_keep(bundled, some, compare, 99),
        lambda: mask_and_keep(bundled, some, compare, 4, ks=[]),
        lambda: mask_and_keep(bundled, some, compare, 4, ks=[5, 0]),
        lambda: mask_and_keep(bundled, PROMPTS, compare, 4, ks=[61]),  # only 60 were ranked
    ):
        with pytest.raises(UserError):
            call()
