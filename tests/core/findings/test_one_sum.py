"""The one sum of a findings file, against a sweep and CNA."""

import pytest

from core.findings.one_sum import measure_sum
from core.heads.sweep import sweep_heads
from core.neurons.compare import compare_heads
from core.progress import silent
from core.vocabulary.neuron_tokens import top_tokens


def test_the_one_sum_is_a_sweep_and_cna(bundled, small_settings):
    found = measure_sum(bundled, small_settings, silent)
    ids = bundled.encode_for_answer("3 + 5 =")
    assert list(found.tokens) == [bundled.token(i) for i in ids]
    assert (found.prompt, found.answer, found.read, found.predicted, found.right) == ("3 + 5 =", "8", "8", "8", True)
    swept = sweep_heads(bundled, ["3 + 5 ="])
    assert found.probability == pytest.approx(float(swept.baseline[0]))
    assert found.decrease[found.top[0]][found.top[1]] == pytest.approx(float(swept.decrease.max()))
    direct = compare_heads(bundled, "3 + 5 =", [found.top], k=10)
    assert [(n.layer, n.neuron) for n in found.neurons] == direct.pairs
    assert [n.change for n in found.neurons] == pytest.approx(direct.change.tolist())
    first = found.neurons[0]
    assert list(first.tokens) == top_tokens(bundled, first.layer, first.neuron, first.coefficient, k=6)
    assert first.name == f"{first.layer}_{first.neuron}"
