"""Accuracy, mediation, adapters, skew and the one sum of a findings file, against direct calls."""

import pytest

from core.bias.measure import measure_bias, paper_words
from core.findings.accuracy import Asked, measure_accuracy
from core.findings.adapters import measure_adapters
from core.findings.figures import NotMeasurable
from core.heads.sweep import sweep_heads
from core.lora.series import shipped_series
from core.mediation.groups import DIFFERING
from core.mediation.importance import half_shares
from core.mediation.study import DrawnPairs, measure_pairs
from core.mediation.summary import finding
from core.neurons.compare import compare_heads
from core.progress import silent
from core.statistics.intervals import rate
from core.vocabulary.neuron_tokens import top_tokens
from tests.some import some


def test_accuracy_counts_right_answers(findings, bundled):
    (found,) = findings.accuracy
    assert (found.name, found.right, found.cases) == ("sums", 2, 3)
    assert found.share.estimate == rate(2, 3)
    open_end = measure_accuracy(bundled, Asked("sums", (("3 + 5 =", "8"),)), silent)
    assert (open_end.right, open_end.to_the_end) == (1, False)


@pytest.mark.parametrize("task", ["other operands", "number retrieval", "facts"])
def test_mediation_is_the_pages_measurement(findings, bundled, small, task):
    mine = findings.mediation_of(task)
    direct = measure_pairs(bundled, DrawnPairs(kind=task, count=small.pairs, operations=("+", "-")))
    assert mine.late_importance.value == pytest.approx(direct.importance["ffn"].geometric.value)
    shown = finding(direct.table, bundled.n_layers, "ffn", "geometric mean", DIFFERING[task])
    for name in ("early_operands", "early_last", "late_operands", "late_last"):
        figure = getattr(mine, name)
        assert figure.value == pytest.approx(getattr(shown, name), abs=1e-6)
        assert figure.low <= figure.value <= figure.high
    arithmetic = half_shares(direct.found, bundled.n_layers, DIFFERING[task], average="mean")
    shown = finding(direct.table, bundled.n_layers, "ffn", "mean", DIFFERING[task])
    assert arithmetic.late_last.value == pytest.approx(shown.late_last, abs=1e-5)


def test_adapters_are_those_that_ship(findings, bundled, tmp_path):
    (series,) = shipped_series(bundled)
    for about, mine in zip(some(series.adapters), findings.adapters, strict=True):
        assert mine.layer == about.layer
        assert mine.accuracy.value == pytest.approx(about.accuracy["all"])
        assert mine.prompts == about.n_test["all"]
        assert mine.accuracy.low < mine.accuracy.value < mine.accuracy.high
    with pytest.raises(NotMeasurable, match="No LoRA adapter"):
        measure_adapters(bundled, tmp_path)


def test_skew_is_the_bias_of_the_papers_words(findings, bundled):
    direct = measure_bias(bundled, paper_words())
    assert findings.skew.total.value == pytest.approx(direct.total, rel=1e-5)
    assert (findings.skew.woman.value, findings.skew.man.value) == pytest.approx(direct.by_group, rel=1e-5)
    assert findings.skew.size.value == pytest.approx(direct.size, rel=1e-5)
    assert findings.skew.professions == len(paper_words().words)


def test_the_one_sum_is_a_sweep_and_cna(findings, bundled):
    found = findings.one_sum
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
