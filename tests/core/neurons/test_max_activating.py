"""Prompts on which a neuron fires most."""

import pytest

from core.errors import UserError
from core.forward.record import record
from core.neurons.max_activating import activating_arithmetic, activating_prompts
from core.prompts.arithmetic import make_prompts


def test_coefficients_are_those_of_the_runs(bundled):
    prompts = ["3+5=", "34+28=", "9-2="]
    found = activating_prompts(bundled, prompts, 5, 3)
    expected = {p: float(record(bundled, bundled.encode(p)).coefficient[5, -1, 3]) for p in prompts}
    assert dict(zip(found["prompt"], found["coefficient"], strict=True)) == pytest.approx(expected, abs=1e-5)
    assert found["coefficient"].abs().is_monotonic_decreasing


def test_arithmetic_is_asked_with_one_and_two_digits(bundled):
    found = activating_arithmetic(bundled, 5, 3, 5)
    assert sorted(found["prompt"]) == sorted(p.text for p in make_prompts(digits=[1, 2], count=5))


def test_a_neuron_that_does_not_exist(bundled):
    with pytest.raises(UserError, match="99"):
        activating_arithmetic(bundled, 99, 0)
