"""The pages LoRA comparison and Pruning, without a browser, on adapters that are trained inside the test."""

import json
import re
import time
from dataclasses import replace

import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.lora.forgetting import TASKS, forgetting
from core.lora.prune_train import Pruned
from core.lora.report import finding_prompts
from core.lora.series import SHIPPED, Series, own_folder, place_of, read_series, train_series
from core.lora.settings import About, LoraSettings
from core.model.adapters import attach
from core.model.load import load_model
from pages.lora import bands, by_layer
from pages.lora.charts import by_layer as by_layer_chart
from pages.pruning import results as pruned_results
from pages.shared.words import percent
from tests.some import some

COMPARE, PRUNE = "pages/lora/page.py", "pages/pruning/page.py"
SETTINGS = LoraSettings(rank=2, alpha=4, epochs=1, n_train=64)


@pytest.fixture(scope="module")
def data(bundled, tmp_path_factory):
    """A folder of a person's own data with a quickly trained series of two layers; nothing is shipped."""
    patch = pytest.MonkeyPatch()
    home = tmp_path_factory.mktemp("data")
    patch.setenv("ABACUS_DATA", str(home))
    shipped = {"bundled": home / "shipped"}
    patch.setattr("pages.shared.adapters.SHIPPED", shipped)  # imported here, so before the next
    patch.setattr("core.lora.series.SHIPPED", shipped)
    train_series(bundled, own_folder(bundled, SETTINGS), SETTINGS, [6, 7])
    yield home
    patch.undo()


@pytest.fixture
def skipped(data, bundled):
    """The record of the adapter on layer 6 says that its step was skipped."""
    record = place_of(own_folder(bundled, SETTINGS), 6) / "abacus.json"
    before = record.read_text()
    record.write_text(json.dumps({**json.loads(before), "skipped": 1}))
    yield "LoRA6"
    record.write_text(before)


def captions(app) -> str:
    return "\n".join(c.value for c in app.caption)


def opened(page):
    app = AppTest.from_file("../../app.py", default_timeout=120).run()
    return wait(app.switch_page(page).run())


def wait(app):
    """Runs until nothing is computed any more."""
    end = time.monotonic() + 240
    while app.get("progress") or any("Another computation" in i.value for i in app.info):
        assert time.monotonic() < end
        time.sleep(0.2)
        app.run()
    return app


def with_series(app, lm):
    """Shows the series of two layers, whatever else was trained before."""
    if any(s.key == "lora_series" for s in app.selectbox):
        app.selectbox(key="lora_series").set_value(own_folder(lm, SETTINGS).name).run()
    return wait(app)


def texts(app) -> str:
    return "\n".join(m.value for m in app.markdown)


def press(app, label):
    next(b for b in app.button if b.label == label).click().run()
    return wait(app)


def frames(app):
    return [d.value for d in app.dataframe]


def test_accuracy_by_layer(data, bundled):
    app = with_series(opened(COMPARE), bundled)
    assert not app.exception
    assert not app.error
    series = read_series(bundled, own_folder(bundled, SETTINGS))
    table = next(f for f in frames(app) if list(f.index) == ["none", "layer 6", "layer 7"])
    for about in some(series.adapters):
        assert table.loc[f"layer {about.layer}", "all"] == about.accuracy["all"]
    assert table.loc["none", "all"] == series.adapters[0].base["all"]
    assert f"An adapter on layer **{series.best().layer}**" in texts(app)
    app.button_group(key="lora_group").set_value("- negative").run()
    n = series.adapters[0].n_test["- negative"]
    assert f"of {n} - negative prompts right" in texts(app)
    assert not app.exception


def test_skipped_steps_are_told(skipped, bundled):
    app = with_series(opened(COMPARE), bundled)
    assert "Layer 6: 1 of 1 training steps were skipped, because their gradients were infinite or NaN." in captions(app)
    assert "Layer 7:" not in captions(app)


def test_forgetting_stands_beside_accuracy(data, bundled):
    """In sentence, table and chart, by the measured numbers; this training of one step breaks nothing."""
    app = with_series(opened(COMPARE), bundled)
    assert not app.exception
    assert not app.error
    series = read_series(bundled, own_folder(bundled, SETTINGS))
    found = forgetting(bundled, {n: attach(bundled, series.place(n)) for n in (6, 7)})
    best = series.best().layer
    told = next(m.value for m in app.markdown if "on the task it is trained on" in m.value)
    assert ("stay as they were" in told) == (found.score(best) == 0)
    assert "forgets least" in told
    table = next(f for f in frames(app) if list(f.index) == ["none", "layer 6", "layer 7"])
    for layer in (6, 7):
        assert table.loc[f"layer {layer}", "forgetting"] == pytest.approx(found.score(layer))
        for task in TASKS:
            assert table.loc[f"layer {layer}", task] == found.adapted[layer].accuracy[task]
    assert table.loc["none", "1-digit arithmetic"] == 1.0
    assert any("not trained on: 1-digit" in str(c.proto) for c in app.get("vega_lite_chart"))


def test_the_best_shipped_adapter_is_not_named_without_its_cost(bundled):
    series = read_series(bundled, SHIPPED["bundled"])
    found = forgetting(bundled, {n: attach(bundled, series.place(n)) for n in (4, 5)})
    said = by_layer._sentence(series.to_frame().query("group == 'all'"), "all", found)
    assert "layer **5** brings that to **99.1% [" in said
    assert "]**, the highest on the task it is trained on, **but it forgets** " in said
    assert "of all other layers lie below" in said or "cannot tell which is best" in said
    assert f"(by {percent(found.score(5))}): accuracy falls in 1-digit arithmetic from 100% to " in said
    assert "of 287" in said
    drawn = by_layer._drawn(series.to_frame().query("group == 'all'"), found)
    assert set(drawn["asked"]) == {"trained on: 2-digit", *(f"not trained on: {task}" for task in TASKS)}
    assert by_layer_chart(drawn, False).to_dict()["layer"]


def test_one_prompt_and_answers(data, bundled):
    app = with_series(opened(COMPARE), bundled)
    answers = next(f for f in frames(app) if "without an adapter" in f)
    assert answers.loc[answers["prompt"] == "34+28=", "without an adapter"].item() == "62"
    coefficients = next(f for f in frames(app) if "importance" in f and "base" in f)
    assert list(coefficients.columns) == ["neuron", "importance", "base", "layer 6", "layer 7", "top tokens"]
    assert len(coefficients) == 10
    assert coefficients["importance"].is_monotonic_decreasing
    more, less = (f for f in frames(app) if "change" in f)
    assert more["change"].is_monotonic_decreasing
    assert less["change"].is_monotonic_increasing
    with_minus = more["importance with"] - more["importance without"]
    assert (abs(with_minus - more["change"]) < 1e-4).all()
    assert (more["change"] > 0).all()
    with_minus = less["importance with"] - less["importance without"]  # a fall is a negative number
    assert (abs(with_minus - less["change"]) < 1e-4).all()
    assert (less["change"] < 0).all()
    theirs = next(f for f in frames(app) if "28_3696" in f.index)
    assert theirs.loc["28_3696", "ori"] == 6.2
    app.text_input(key="lora_prompt").set_value("9-2=").run()
    wait(app)
    assert "`9-2=`" in texts(app)
    assert not app.exception


def test_a_bad_prompt_leaves_the_rest(data):
    app = opened(COMPARE)
    app.text_input(key="lora_prompt").set_value("3 + zzyzx =").run()
    wait(app)
    assert not app.exception
    assert "zzyzx" in app.error[0].value
    assert "An adapter on layer" in texts(app)


def test_increase_by_band(data, bundled):
    app = with_series(opened(COMPARE), bundled)
    app.slider(key="lora_count").set_value(2).run()
    press(app, "Measure")
    assert not app.exception
    assert not app.error
    table = next(f for f in frames(app) if list(f.columns) == ["top 50", "top 30", "top 20", "top 10"])
    assert list(table.index) == ["4-7"]
    assert "Over 8 prompts" in texts(app)


def test_an_adapter_of_ones_own(data, bundled, tmp_path):
    app = opened(COMPARE)
    app.text_input(key="own_adapter").set_value(str(tmp_path / "nothing")).run()
    assert any("not a PEFT adapter" in e.value for e in app.error)
    assert not app.exception
    app.text_input(key="own_adapter").set_value(str(place_of(own_folder(bundled, SETTINGS), 7))).run()
    wait(app)
    assert "layer_7" in app.selectbox(key="lora_adapter").options
    assert not app.exception


def test_training_from_the_page(data, bundled):
    app = opened(COMPARE)
    app.multiselect(key="lora_layers").set_value([7])
    app.number_input(key="lora_rank").set_value(1)
    app.number_input(key="lora_epochs").set_value(1)
    app.number_input(key="lora_prompts").set_value(40)
    app.number_input(key="lora_seed").set_value(3)
    press(app, "Train")
    app.run()
    wait(app)
    assert not app.exception
    assert not app.error
    made = read_series(bundled, own_folder(bundled, LoraSettings(rank=1, alpha=2, epochs=1, n_train=40, seed=3)))
    assert [about.layer for about in made.finished] == [7]
    assert any(list(f.index) == ["none", "layer 7"] for f in frames(app))  # and it is what the page shows now


def test_nothing_trained_yet(bundled, monkeypatch, tmp_path):
    monkeypatch.setenv("ABACUS_DATA", str(tmp_path))
    monkeypatch.setattr("core.lora.series.SHIPPED", {"bundled": tmp_path / "shipped"})
    app = opened(COMPARE)
    assert not app.exception
    assert "There is no adapter for this model yet" in texts(app)
    app = opened(PRUNE)
    assert not app.exception
    assert "Train one on the page" in app.info[0].value


def test_pruning(data, bundled, tmp_path, skipped):
    app = with_series(opened(PRUNE), bundled)
    assert "Press **Find**" in app.info[0].value
    app.selectbox(key="prune_adapter").set_value(6)
    app.number_input(key="prune_from").set_value(7)
    app.number_input(key="prune_top").set_value(5)
    press(app, "Find")
    assert not app.exception
    assert not app.error
    tokens = sum(len(prompt.answer) for prompt in finding_prompts(SETTINGS, 64))  # each digit, and each minus
    assert f"The union of the top 5 of {tokens} cases (answer tokens)" in texts(app)
    press(app, "Train twice")
    assert not app.exception
    assert not app.error
    columns = next(f for f in frames(app) if list(f.index) == ["base", "LoRA6", "LoRA6-p", "LoRA6-r"])
    assert isinstance(columns, pd.DataFrame)
    assert "on as many random neurons it reaches" in texts(app)
    assert f"{skipped}: 1 of 1 training steps were skipped" in captions(app)
    assert f"{skipped}-p:" not in captions(app)
    theirs = next(f for f in frames(app) if "LoRA9-p" in f.columns)
    assert theirs.loc["acc", "LoRA9-p"] == 82.3
    app.text_input(key="export_folder").set_value(str(tmp_path / "pruned"))
    press(app, "Export")
    assert not app.exception
    assert not app.error
    assert "to **40 of 40** prompts" in texts(app)
    assert json.loads((tmp_path / "pruned" / "config.json").read_text())["model_type"] == "llama"
    assert load_model(tmp_path / "pruned").n_neurons == bundled.n_neurons
    app.text_input(key="export_folder").set_value(str(tmp_path / "smaller"))
    app.selectbox(key="export_how").set_value("smaller")
    press(app, "Export")
    assert not app.exception
    assert any("not be smaller" in e.value for e in app.error)


def test_links_name_the_cases_by_their_words(data, bundled):
    app = AppTest.from_file("../../app.py", default_timeout=120)
    app.query_params["prune_cases"] = "every one-digit case"
    app = with_series(wait(app.run().switch_page(PRUNE).run()), bundled)
    assert app.selectbox(key="prune_cases").value == 0
    assert not app.exception


def test_deep_layers_below_the_adapter_are_refused(data, bundled):
    app = with_series(opened(PRUNE), bundled)
    app.selectbox(key="prune_adapter").set_value(7)
    app.number_input(key="prune_from").set_value(5)
    press(app, "Find")
    assert not app.exception
    assert any("compute the same below layer 7" in e.value for e in app.error)


def about(steps, accuracy):
    """What is noted of a training of 920 steps."""
    return About("f", 5, LoraSettings(), steps, 920, (), {"all": accuracy}, {"all": 0.7556}, "")


def test_a_stopped_training_is_marked_and_not_compared(bundled):
    model = attach(bundled, place_of(SHIPPED["bundled"], 5))
    whole, half = (Pruned(((6, 1),), 5, model, about(steps, share)) for steps, share in ((920, 0.95), (0, 0.609)))
    said = pruned_results._reached(about(920, 0.99), half, None)
    assert "(stopped after 0 of 920 steps) is at 60.9% of 1,735" in said
    assert "reaches" not in said
    said = pruned_results._reached(about(920, 0.99), whole, half)
    assert "reaches 95.0% of 1,735" in said
    assert "it is at 60.9% (stopped after 0 of 920 steps)" in said


def test_an_unfinished_layer_is_never_the_best(tmp_path):
    series = Series(tmp_path, (about(920, 0.8), replace(about(10, 0.9), layer=6)))
    assert series.best().layer == 5
    mine = series.to_frame()
    said = by_layer._sentence(mine, "all", None)
    assert re.search(r"layer \*\*5\*\* brings that to \*\*80\.0% \[[\d.]+, [\d.]+\]\*\*", said)
    assert "1 of 1 are above" not in said
    drawn = by_layer._drawn(mine, None)
    assert drawn["finished"].tolist() == [True, False]
    assert drawn["steps"].tolist() == ["920 of 920", "10 of 920"]
    only = Series(tmp_path, (about(10, 0.9),))
    assert only.best().steps == 10
    assert "no layer is called the best" in by_layer._sentence(only.to_frame(), "all", None)
    worse = Series(tmp_path, (about(920, 0.6),)).to_frame()
    assert "lowers that least, to **60.0% [57.7, 62.3]**" in by_layer._sentence(worse, "all", None)


@pytest.mark.parametrize(("increase", "words"), [(0.2, "increase most"), (-0.123, "fall by 12.3%"), (0.0, "do not")])
def test_sentences_follow_the_sign(increase, words):
    said = bands._most(pd.Series({"increase": increase, "band": "0-1", "top": "top 10"}))
    assert words in said
    assert "-12.3%" not in said
    assert ("increase most" in said) == (increase > 0)
