"""Neurons compared between a base and a fine-tuned model, against plain products over a merged model."""

import copy

import pytest
import torch

from core.errors import UserError
from core.forward.record import record
from core.lora.coefficients import bands_of, coefficient_increase, coefficients_with
from core.model.adapters import attach
from core.model.load import load_model
from core.neurons.compare import compare_models, most_important
from core.prompts.arithmetic import make_prompts
from tests import plain
from tests.core.model.test_adapters import made_by_peft, maps
from tests.some import some

FIELDS = (
    "layer",
    "neuron",
    "change",
    "importance_first",
    "importance_second",
    "coefficient_first",
    "coefficient_second",
)


@pytest.fixture
def pair(any_model, tmp_path):
    """A model, its adapted version, and the same merged by peft."""
    theirs = made_by_peft(any_model, tmp_path)
    merged = copy.copy(any_model)
    merged.model, merged.fingerprint = theirs.merge_and_unload(), any_model.fingerprint + " merged"
    merged.__post_init__()
    return any_model, attach(any_model, tmp_path), merged


def test_against_plain_products(pair):
    lm, ours, merged = pair
    for first, second, models in ((lm, ours, (lm, merged)), (ours, lm, (merged, lm))):
        c = compare_models(first, second, "3+5=")
        runs = [plain.run(one.model, lm.encode("3+5=")) for one in models]
        assert c.target == int(runs[0].logits.argmax())
        for side, one, run in zip((c.importance_first, c.importance_second), models, runs, strict=True):
            wanted = plain.importances(one.model, run, c.target, runs[0])[c.layer, c.neuron]
            assert torch.allclose(side, wanted, atol=2e-4, rtol=1e-3)
        assert bool((c.change[c.layer < 1] == 0).all())
        assert float(c.change.abs().max()) > 0
        assert torch.equal(c.change.sort(descending=True, stable=True).values, c.change)


def test_exact_top(pair):
    lm, ours, _ = pair
    everything = compare_models(lm, ours, "3+5=")
    for k in (1, 9, 60):
        top = compare_models(lm, ours, "3+5=", k)
        assert all(torch.equal(getattr(everything, name)[:k], getattr(top, name)) for name in FIELDS)


def test_an_adapter_that_changes_values_is_compared_with_its_own(checkpoints, tmp_path):
    lm = load_model(checkpoints("llama"), precision="fp32")
    theirs = made_by_peft(lm, tmp_path, target_modules=[*maps(lm, (2,), ffn=True), "lm_head"])
    ours = attach(lm, tmp_path)
    c = compare_models(ours, lm, "3+5=")
    merged = copy.copy(lm)
    merged.model, merged.fingerprint = theirs.merge_and_unload(), "merged"
    merged.__post_init__()
    runs = [plain.run(one.model, lm.encode("3+5=")) for one in (merged, lm)]
    for side, one, run in zip((c.importance_first, c.importance_second), (merged, lm), runs, strict=True):
        wanted = plain.importances(one.model, run, c.target, runs[0])[c.layer, c.neuron]
        assert torch.allclose(side, wanted, atol=2e-4, rtol=1e-3)


def test_two_loaded_models(checkpoints, bundled, tmp_path):
    lm, other = (load_model(checkpoints(kind), precision="fp32") for kind in ("grouped-query", "mistral"))
    c = compare_models(lm, other, "3+5=", 5)
    assert all(torch.equal(getattr(compare_models(lm, other, "3+5="), n)[:5], getattr(c, n)) for n in FIELDS)
    with pytest.raises(UserError, match="cannot be compared"):
        compare_models(bundled, lm, "3+5=")


def test_most_important(any_model):
    run = record(any_model, any_model.encode("3+5="))
    top = most_important(any_model, run, 7)
    by_hand = plain.run(any_model.model, run.ids)
    wanted = plain.importances(any_model.model, by_hand, top.target).flatten()
    assert torch.allclose(top.importance_first, wanted.topk(7).values, atol=1e-5)
    assert torch.equal(top.change, top.importance_first)


def test_coefficients_and_their_increase(pair):
    lm, ours, merged = pair
    table = coefficients_with(lm, {"layer 1": ours}, "3+5=", 6)
    frame = table.to_frame()
    run, other = record(lm, lm.encode("3+5=")), record(merged, lm.encode("3+5="))
    for row in some(frame.itertuples(index=False)):
        assert row.base == pytest.approx(float(run.coefficient[row.layer, -1, row.neuron]))
        assert row[-1] == pytest.approx(float(other.coefficient[row.layer, -1, row.neuron]), abs=1e-3)
    found = coefficient_increase(lm, {1: ours}, ["3+5="], ks=(6, 2)).points.set_index("k")["increase"]
    for k in (6, 2):
        base, tuned = frame["base"][:k], frame["layer 1"][:k]
        wanted = ((tuned * (2 * (base > 0) - 1)).sum() - base.abs().sum()) / base.abs().sum()
        assert found[k] == pytest.approx(wanted, abs=1e-5)
    same = coefficient_increase(lm, {1: lm}, [p.text for p in make_prompts(count=2)], ks=(5,))
    assert same.points["increase"].abs().max() == 0
    assert same.points["prompts"].tolist() == [8]


@pytest.mark.parametrize(("n", "bands"), [(32, ["0-9", "10-16", "17-31"]), (8, ["0-1", "2-3", "4-7"]), (1, ["0-0"])])
def test_bands(n, bands):
    found = bands_of(n)
    assert [f"{band[0]}-{band[-1]}" for band in found] == bands
    assert [i for band in found for i in band] == list(range(n))
