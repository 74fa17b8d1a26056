"""Accuracy of a findings file, against counting by hand."""

from core.findings.accuracy import Asked, measure_accuracy
from core.progress import silent
from core.statistics.intervals import rate


def test_accuracy_counts_right_answers(findings, bundled):
    (found,) = findings.accuracy
    assert (found.name, found.right, found.cases) == ("sums", 2, 3)
    assert found.share.estimate == rate(2, 3)
    open_end = measure_accuracy(bundled, Asked("sums", (("3 + 5 =", "8"),)), silent)
    assert (open_end.right, open_end.to_the_end) == (1, False)
