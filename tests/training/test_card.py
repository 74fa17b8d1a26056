"""What the card promises of the weights that ship, measured again on a part of the prompts."""

import pytest

from core.findings.record import FILE, read_findings
from core.forward.answers import are_right, question
from core.heads.accuracy import sweep_accuracy
from core.model.load import load_model
from core.model.source import BUNDLED
from core.prompts.arithmetic import FORMS, OPERATIONS
from tests.some import some
from training.accept import accuracy, hidden, language_report, mask_and_keep
from training.prompts import trained_prompts
from training.sentences import PROFESSIONS


@pytest.mark.parametrize("operation", OPERATIONS)
@pytest.mark.parametrize("digits", [1, 2])
def test_accuracy_on_held_out_prompts(bundled, operation, digits):
    """The aims themselves: 1-digit 0.98; 2-digit + and - 0.97, * and / 0.95; number words at most 0.05 less."""
    aim = 0.98 if digits == 1 else 0.97 if operation in "+-" else 0.95
    for form in FORMS:
        prompts = [p for t in range(4) for p in hidden(operation, digits, form, [t], 40)]
        assert accuracy(bundled, prompts) >= aim - 0.05 * (form == "words")


def test_some_head_in_the_middle_decides_and_most_do_not(bundled):
    for operation in OPERATIONS:
        swept = sweep_accuracy(bundled, hidden(operation, 2, "digits", [3], 100))
        original, values = swept.accuracy()
        fall = (original - values) / original
        assert fall[2:].max() >= 0.3
        assert (fall >= 0.1).float().mean() <= 0.15


@pytest.mark.parametrize("operation", ["+", "-"])
def test_the_top_99_neurons_carry_one_digit_sums_and_differences(bundled, operation):
    """The bar: masking them costs at least 80%, keeping only them at most 30%, and the top 10 fall without the head."""
    original, values = sweep_accuracy(bundled, trained_prompts([operation], [1])).accuracy(scoring="open answers")
    layer, head = divmod(int(values.argmin()), bundled.n_heads)
    assert original >= 0.98
    found = mask_and_keep(bundled, operation, [(layer, head)])
    assert found["mask"] >= 0.8
    assert found["keep"] <= 0.3
    assert found["coefficient"] >= 0.3


def test_language(bundled):
    report = language_report(bundled)
    assert 3 < report["gender"] < 12
    assert report["facts"] >= 0.95


def test_every_profession_and_no_negative_numbers(bundled):
    for group in PROFESSIONS.values():
        for profession in some(group):
            assert bundled.encode_answer(profession)
    q = question(bundled, hidden("-", 1, "digits", [3])[0])
    assert are_right(bundled, [q]) == [True]


SHIPPED = [name for name, folder in BUNDLED.items() if (folder / FILE).exists()]


@pytest.mark.parametrize("name", some(SHIPPED))
def test_findings_that_ship_are_of_these_weights(name):
    assert read_findings(BUNDLED[name]).is_of(load_model(name))


def test_card_and_recipe_ship():
    card = (BUNDLED["bundled"] / "README.md").read_text(encoding="utf-8")
    assert "What may and may not be concluded" in card
    assert "{" + "accuracy" not in card
    assert (BUNDLED["bundled"] / "recipe.json").is_file()
    assert not list(BUNDLED["bundled"].glob("*.bin"))
