"""What the measurements over a set share."""

import pytest

from core.ablation.cases import remembered
from tests.dense import dense_comparison


@pytest.fixture(scope="module")
def compare(bundled, arithmetic_head):
    """Neurons ranked by change, the plain way."""
    return remembered(lambda ids, target: dense_comparison(bundled, list(ids), [arithmetic_head], 60, target))
