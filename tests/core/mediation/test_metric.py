"""Patching with another measured quantity, against a plain loop of one run at a time."""

import pytest
import torch

from core.errors import UserError
from core.mediation.measure import indirect_effects, mediate
from core.mediation.pairs import typed_pair
from core.mediation.summary import cells
from core.mediation.units import head_effects, neuron_effects
from core.metrics import METRICS, as_metric
from tests.core.mediation.test_measure import BASE, OTHER, module_of, patched_alone, results_of, seen


def margin(logits, target):
    """A callable metric: the target's logit minus the mean logit."""
    return logits.gather(-1, target[..., None])[..., 0] - logits.mean(-1)


@pytest.mark.parametrize("metric", [*METRICS, margin])
def test_equals_one_run_a_layer_and_position(any_model, metric):
    lm = any_model
    r, other_result = results_of(lm)
    found = indirect_effects(lm, BASE, OTHER, "ffn", r, other_result, metric=metric)
    compute = as_metric(metric)

    def value(probabilities):  # none of the metrics changes when a constant is added to all logits
        return compute(probabilities.log(), torch.tensor(r), torch.tensor(other_result)).item()

    assert found.metric == compute.name
    ids, other = lm.encode(BASE), lm.encode(OTHER)
    clean = [value(torch.softmax(lm.logits(x)[-1].double(), -1)) for x in (ids, other)]
    assert found.value_clean.tolist() == pytest.approx(clean, abs=1e-3)
    for layer in range(lm.n_layers):
        module = module_of(lm, "ffn", layer)
        values = seen(lm, other, module)
        for position in range(len(ids)):
            alone = value(patched_alone(lm, ids, module, position, values[position]))
            assert found.value_patched[layer, position].item() == pytest.approx(alone, abs=1e-3)
            assert found.change[layer, position].item() == pytest.approx(alone - clean[0], abs=1e-3)
    assert float(found.change.abs().max()) > 0 or compute.name == "exact match"


def test_the_default_is_the_indirect_effect(bundled):
    default = indirect_effects(bundled, BASE, "2 + 7 =")
    assert default.metric == "indirect effect"
    assert torch.equal(default.value_patched, default.effect)
    assert torch.equal(default.change, default.effect)
    assert default.value_clean.tolist() == [0.0, pytest.approx(default.total_effect, rel=1e-5)]
    other = indirect_effects(bundled, BASE, "2 + 7 =", metric="logit difference")
    assert torch.equal(other.effect, default.effect)  # `effect` is the indirect effect, whatever else is measured
    assert not torch.allclose(other.change, default.change, atol=1e-2)
    r, s = other.base_result, other.alternative_result
    logits = bundled.logits(bundled.encode(BASE))[-1]
    assert other.value_clean[0].item() == pytest.approx(float(logits[r] - logits[s]), abs=1e-3)


def test_tables_and_single_units(bundled):
    pair = typed_pair(bundled, BASE, "2 + 7 =")
    found = mediate(bundled, [pair], metric="log-probability")
    table = cells(found)
    assert set(table["metric"]) == {"log-probability"}
    one = table[(table["site"] == "ffn") & (table["layer"] == 7)]
    assert one["change"].to_numpy() == pytest.approx(found.effects["ffn"][0].change[7].numpy(), abs=1e-5)
    frame = found.effects["ffn"][0].to_frame()
    assert frame["change"].to_numpy() == pytest.approx(found.effects["ffn"][0].change.flatten().numpy(), abs=1e-6)
    for units in (
        head_effects(bundled, [pair], metric="log-probability"),
        neuron_effects(bundled, [pair], [(7, 3), (2, 5)], metric="log-probability"),
    ):
        (effects,) = units.effects
        assert effects.metric == "log-probability"
        # log p of the base's result is what is measured, and both runs' are there without the metric
        assert torch.allclose(effects.value_patched, effects.patched[..., 0], atol=1e-5)
        assert units.to_frame()["change"].to_numpy() == pytest.approx(effects.change.numpy(), abs=1e-6)


def test_another_metric_is_refused(bundled):
    with pytest.raises(UserError, match="does not exist"):
        indirect_effects(bundled, BASE, OTHER, metric="perplexity")
