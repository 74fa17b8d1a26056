"""Mask and keep of a findings file, against the direct measurement."""

import pytest

from core.ablation.cases import comparing_heads
from core.ablation.mask_keep import mask_and_keep
from core.findings.figures import NotMeasurable
from core.findings.neuron_sets import measure_neuron_sets
from core.progress import silent
from tests.some import some


def test_losses_are_those_of_mask_and_keep(bundled, small_settings, arithmetic_head):
    found = measure_neuron_sets(bundled, small_settings, "+", "top head", [arithmetic_head], silent)
    prompts = small_settings.asked("+", 1, small_settings.mask_prompts)
    direct = mask_and_keep(
        bundled, prompts, comparing_heads(bundled, [arithmetic_head], 20), arithmetic_head[0], (20, 5)
    )
    table = direct.to_frame().set_index(["measure", "k"])["decrease"]
    assert [losses.k for losses in found] == [20, 5]
    for losses in some(found):
        assert losses.cases == int(direct.measured.sum())
        assert losses.mask.value == pytest.approx(table["mask", losses.k])
        assert losses.keep.value == pytest.approx(table["keep", losses.k])
        assert losses.coefficient.value == pytest.approx(table["coefficient", losses.k])
        for loss in (losses.mask, losses.keep):
            assert loss.low <= loss.value <= loss.high
            assert loss.low < loss.high  # also where every token turns wrong, or none


def test_no_head_and_no_right_answer_are_reasons(bundled, any_model, small_settings):
    with pytest.raises(NotMeasurable, match="No head matters"):
        measure_neuron_sets(bundled, small_settings, "+", "heads that matter", [], silent)
    with pytest.raises(NotMeasurable, match="No answer token"):
        measure_neuron_sets(any_model, small_settings, "+", "top head", [(1, 0)], silent)
