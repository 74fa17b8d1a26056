"""A base model beside adapters: what the page shows is what each model computes by itself."""

import pytest

from core.errors import UserError
from core.forward.generate import continue_greedily
from core.forward.record import record
from core.lora.beside import BASE, answers_beside, attach_each, beside, check_answerable, increase_over
from core.lora.coefficients import coefficient_increase
from core.lora.series import SHIPPED, place_of
from core.neurons.compare import compare_models
from core.prompts.arithmetic import make_prompts
from core.vocabulary.neuron_tokens import top_tokens
from tests.some import some

FOLDERS = {"layer 4": place_of(SHIPPED["bundled"], 4), "layer 5": place_of(SHIPPED["bundled"], 5)}


def test_one_prompt_is_compared_as_by_hand(bundled):
    told = []
    found = beside(bundled, FOLDERS, "layer 5", "3+5=", k=6, progress=lambda done, total: told.append(done / total))
    assert told == sorted(told)
    assert told[-1] == 1.0
    other = attach_each(bundled, FOLDERS)["layer 5"]
    target = found.coefficients.target
    assert target == int(bundled.logits(bundled.encode("3+5="))[-1].argmax())
    assert found.less.pairs == compare_models(bundled, other, "3+5=", 6, target).pairs
    assert found.more.pairs == compare_models(other, bundled, "3+5=", 6, target).pairs
    run = record(bundled, bundled.encode("3+5="))
    adapted = record(other, bundled.encode("3+5="))
    assert len(found.coefficients.neurons) == 6
    for layer, neuron in some(found.coefficients.neurons):
        assert found.signs[layer, neuron] == float(run.coefficient[layer, -1, neuron])
    changed = {*found.less.pairs, *found.more.pairs} - set(found.coefficients.neurons)
    assert changed
    for layer, neuron in some(changed):
        values = [float(one.coefficient[layer, -1, neuron]) for one in (run, adapted)]
        assert found.signs[layer, neuron] == pytest.approx(max(values, key=abs), abs=1e-5)
    assert set(found.tokens) == set(found.signs)
    assert all(t == top_tokens(bundled, *pair, found.signs[pair] or 1.0, 6) for pair, t in some(found.tokens.items()))


def test_rises_are_sums_by_the_sign_of_the_base(bundled):
    found = beside(bundled, FOLDERS, "layer 4", "3+5=", k=6)
    frame = found.coefficients.to_frame()
    for name, share in some(found.rises.items()):
        by_hand = sum(other * (1 if base > 0 else -1) for base, other in zip(frame["base"], frame[name], strict=True))
        assert share == pytest.approx(by_hand / frame["base"].abs().sum() - 1, rel=1e-4)
    assert list(found.rises) == list(FOLDERS)


def test_answers_are_those_of_each_model_alone(bundled):
    prompts = ["3+5=", "12-49="]
    table = answers_beside(bundled, {"layer 5": FOLDERS["layer 5"]}, prompts)
    assert list(table.columns) == ["prompt", BASE, "layer 5"]
    models = {BASE: bundled, **attach_each(bundled, {"layer 5": FOLDERS["layer 5"]})}
    for name, model in some(models.items()):
        answers = [[i for i in continue_greedily(model, prompt, 8) if i not in bundled.ends] for prompt in prompts]
        assert table[name].tolist() == [bundled.decode(answer) for answer in answers]
    assert table[BASE].tolist() != table["layer 5"].tolist()


def test_increase_takes_the_prompts_of_every_operation(bundled):
    folders = {4: FOLDERS["layer 4"]}
    prompts = [prompt.text for prompt in make_prompts(digits=[1], count=2)]
    by_hand = coefficient_increase(bundled, attach_each(bundled, folders), prompts)
    found = increase_over(bundled, folders, 2)
    assert found.points.equals(by_hand.points)
    assert set(found.points["prompts"]) == {8}


def test_bad_input_is_told(bundled, tmp_path):
    with pytest.raises(UserError, match="no adapter 'layer 9'"):
        beside(bundled, FOLDERS, "layer 9", "3+5=")
    with pytest.raises(UserError, match="not a PEFT adapter"):
        attach_each(bundled, {"x": tmp_path})
    with pytest.raises(UserError, match="at most"):
        check_answerable(bundled, ["3+5=", "3 " * 400])
