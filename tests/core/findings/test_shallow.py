"""The shallow filter of a findings file, against the direct measurement."""

import pytest
import torch

from core.ablation.shallow import ablate_shallow
from core.findings.figures import NotMeasurable
from core.findings.shallow import filter_prompts, measure_filter, thresholds
from core.progress import silent
from core.vocabulary.shallow import shallow_counts


def test_the_filter_is_the_direct_measurement(bundled, small_settings):
    (found,) = measure_filter(bundled, small_settings, (0, 1), silent)
    counts = shallow_counts(bundled, (0, 1), 100, small_settings.filter_concepts)
    table = (
        ablate_shallow(bundled, filter_prompts(small_settings), counts, [found.more_than], draws=3).to_frame().iloc[0]
    )
    assert found.neurons == table["neurons"]
    assert found.by_chance == table["by_chance"]
    assert found.original.value == pytest.approx(table["original"])
    assert found.decrease.value == pytest.approx(table["decrease"])
    assert found.random.value == pytest.approx(table["control_decrease"])
    assert found.excess.value == pytest.approx(found.decrease.value - found.random.value)
    assert found.excess.low <= found.excess.value <= found.excess.high
    assert found.p_value == (1 + sum(draw >= found.decrease.value for draw in found.draws)) / 4
    assert found.concepts == counts.concepts


def test_m_keeps_at_most_as_many_neurons_as_asked_for(bundled):
    counts = shallow_counts(bundled, (0, 1), 100)
    (more_than,) = thresholds(counts, (50,))
    best = counts.count.flatten(0, 1).max(-1).values
    assert 1 <= int((best > more_than).sum()) <= 50
    assert int((best > more_than - 1).sum()) > 50
    assert thresholds(counts, (10**6,)) == []
    assert len(thresholds(counts, (50, 51))) <= 2
    assert not torch.equal(best, best[0].expand_as(best))


def test_a_model_that_answers_nothing_gives_a_reason(any_model, small_settings):
    with pytest.raises(NotMeasurable, match="No answer token"):
        measure_filter(any_model, small_settings, (0, 1), silent)
