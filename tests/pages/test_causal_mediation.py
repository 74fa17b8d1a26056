"""The page Causal mediation, without a browser."""

import json
import math
import re

import pytest
from streamlit.testing.v1 import AppTest

from core.vocabulary.neuron_tokens import both_sides
from pages.shared.words import visible
from tests.pages.test_arithmetic_heads import run_and_wait, texts, wait
from tests.some import some

APP, PAGE = "../../app.py", "pages/mediation/page.py"


@pytest.fixture
def app():
    app = AppTest.from_file(APP, default_timeout=60).run()
    return app.switch_page(PAGE).run()


def choose(app, **values):
    """Picks a cell by the boxes."""
    for name, value in values.items():
        wait(app.selectbox(key=f"flow {name}").set_value(value).run())
    return app


def own(app, base, alternative, /, **results):
    app.button_group(key="pair_source").set_value("Your own two prompts").run()
    app.text_input(key="pair_base").set_value(base)
    app.text_input(key="pair_alternative").set_value(alternative)
    for name, result in results.items():
        app.text_input(key=f"pair_{name}_result").set_value(result)
    return run_and_wait(app)


def test_says_what_to_press(app):
    assert not app.exception
    assert app.title[0].value == "Causal mediation"
    assert "Press **Run**" in app.info[0].value


def test_drawn_pairs(app):
    app.slider(key="pairs").set_value(10)
    run_and_wait(app)
    assert not app.exception
    assert not app.error
    assert "10 pairs, such as" in texts(app)
    assert "The paper's finding" in texts(app)
    assert "Relative importance of the late FFNs at the last position: **" in texts(app)
    table = app.dataframe[0].value
    assert set(table["site"]) == {"embedding", "ffn", "attention"}
    assert set(table["pairs"]) == {"other operands"}
    assert {"first operand", "operator", "second operand", "last"} <= set(table["group"])
    assert app.query_params["run"] in ("1", ["1"])
    assert "largest effect" not in texts(app)
    assert not app.selectbox(key="flow site").value


def test_a_cell_shows_each_pair(app):
    app.slider(key="pairs").set_value(5)
    run_and_wait(app)
    choose(app, site="attention", layer=4, group="last")
    assert not app.exception
    assert "attention of layer 4 at `last`" in texts(app)
    pairs = next(d.value for d in app.dataframe if "P(r) patched" in d.value)
    assert len(pairs) == 5
    assert pairs[[c for c in pairs if c.startswith("P(")]].stack().between(0, 1).all()
    row = pairs.iloc[0]
    by_hand = (row["P(r) base"] - row["P(r) patched"]) / row["P(r) patched"]
    by_hand = (by_hand + (row["P(r′) patched"] - row["P(r′) base"]) / row["P(r′) base"]) / 2
    assert row["IE"] == pytest.approx(by_hand, rel=1e-2, abs=1e-3)
    assert app.query_params["cell"] in ("0|attention|4|last", ["0|attention|4|last"])


def test_two_kinds_side_by_side(app):
    app.slider(key="pairs").set_value(5)
    run_and_wait(app)
    wait(app.selectbox(key="beside").set_value("facts").run())
    assert not app.exception
    assert not app.error
    assert "**Other operands.** 5 pairs" in texts(app)
    assert "**Facts.** 5 pairs" in texts(app)
    assert "for other operands and" in texts(app)
    assert "is at the subject and" in texts(app)
    assert set(app.dataframe[0].value["pairs"]) == {"other operands", "facts"}
    choose(app, task="facts", site="ffn", layer=0, group="subject")
    assert "FFN of layer 0 at `subject`" in texts(app)
    wait(app.selectbox(key="beside").set_value("nothing").run())
    assert not app.exception
    assert "for other operands and" not in texts(app)


@pytest.mark.parametrize("measure", ["wanted changes", "unwanted changes"])
def test_changes_of_the_prediction(app, measure):
    app.slider(key="pairs").set_value(5)
    run_and_wait(app)
    app.button_group(key="flow_shown").set_value(measure).run()
    app.button_group(key="flow_average").set_value("geometric mean").run()
    assert not app.exception
    assert f"Most {measure} at the last position: FFN of layer" in texts(app)


def test_single_heads_and_neurons(app, bundled):
    app.slider(key="pairs").set_value(5)
    run_and_wait(app)
    next(b for b in app.button if b.label == "Measure heads and neurons").click().run()
    wait(app)
    assert not app.exception
    assert not app.error
    assert "has the largest effect by itself" in texts(app)
    neurons = next(d.value for d in app.dataframe if "suppresses" in d.value)
    assert len(neurons) == 20
    assert neurons["IE"].is_monotonic_decreasing
    first = [int(part) for part in neurons["name"].iloc[0].split("_")]
    assert [neurons[side].iloc[0].split() for side in ("promotes", "suppresses")] == [
        [visible(token) for token in side] for side in both_sides(bundled, *first, 6)
    ]


def test_the_chosen_average_rules_the_whole_page(app):
    """Maps, lines, heads, neurons, sentences and downloads; was: heads and neurons always by the mean."""
    app.slider(key="pairs").set_value(10)
    run_and_wait(app)
    next(b for b in app.button if b.label == "Measure heads and neurons").click().run()
    wait(app)
    seen = {}
    for average in ("mean", "geometric mean"):
        app.button_group(key="flow_average").set_value(average).run()
        assert not app.exception
        neurons = next(d.value for d in app.dataframe if "suppresses" in d.value)
        best = re.search(r"Head \*\*(\S+)\*\* has the largest effect by itself: IE (\S+) \((.+?)\), and", texts(app))
        assert best[3] == average
        assert f"({average} of IE)" in texts(app)
        charts = [json.loads(c.proto.spec) for c in app.get("vega_lite_chart")]
        assert len(charts) == 4
        assert all(f"indirect effect ({average})" in json.dumps(chart) for chart in some(charts))
        seen[average] = float(best[2]), neurons["IE"].tolist()
    found = app.session_state["slot mediation units"].job.result
    for average, (head, neurons) in some(seen.items()):
        assert head == pytest.approx(found.heads.to_frame()[average].max(), rel=0.01)
        assert neurons == pytest.approx(sorted(found.neurons.to_frame()[average], reverse=True))
    assert seen["mean"][0] > 2 * seen["geometric mean"][0]


def test_own_prompts(app):
    own(app, "3 + 5 =", "2 + 7 =")
    assert not app.exception
    assert "1 pair, such as `3␣+␣5␣=` with `2␣+␣7␣=`" in texts(app)
    assert "prediction (1)" in texts(app)
    assert not any(s.key == "beside" for s in app.selectbox)
    choose(app, site="ffn", layer=1, group="1 3→2")
    assert "FFN of layer 1 at `1␣3→2`" in texts(app)
    own(app, "3 + 5 =", "2 + 7 =", base="8", alternative="9")
    assert not app.error
    assert "given (1)" in texts(app)


@pytest.mark.parametrize(
    ("base", "alternative", "results", "words"),
    [
        ("3 + 5 =", "13 + 5 =", {}, "same number of tokens"),
        ("3 + 5 =", "3+5=", {}, "the same for the model"),
        ("", "3 + 5 =", {}, "empty"),
        ("3 + zzyzx =", "3 + 5 =", {}, "zzyzx"),
        ("3 + 5 =", "2 + 7 =", {"base": "12"}, "2 tokens"),
        ("3 + 5 =", "2 + 7 =", {"alternative": "zzyzx"}, "zzyzx"),
    ],
)
def test_bad_prompts_and_results(app, base, alternative, results, words):
    own(app, base, alternative, **results)
    assert not app.exception
    assert words in app.error[0].value


def test_nothing_chosen_and_what_the_model_cannot_do(app, checkpoints):
    app.button_group(key="pair_operations").set_value([])
    run_and_wait(app)
    assert not app.exception
    assert "at least one operation" in app.error[0].value
    app.button_group(key="pair_operations").set_value(["+"])
    app.selectbox(key="pair_kind").set_value("other operator")
    run_and_wait(app)
    assert not app.exception
    assert "two operations" in app.error[0].value


def test_the_link_reopens_the_view():
    app = AppTest.from_file(APP, default_timeout=60).run().switch_page(PAGE)
    asked = {"pairs": "5", "pair_kind": "same result", "run": "1", "cell": "0|ffn|2|first operand"}
    for name, value in asked.items():
        app.query_params[name] = value
    wait(app.run())
    assert not app.exception
    assert "5 pairs, such as" in texts(app)
    assert app.selectbox(key="pair_kind").value == "same result"
    assert "FFN of layer 2 at `first␣operand`" in texts(app)


def test_another_measured_quantity(app):
    app.button_group(key="pair_source").set_value("Your own two prompts").run()
    app.selectbox(key="pair_metric").set_value("log-probability")
    run_and_wait(app)
    assert not app.exception
    assert "Largest change of log-probability (mean) at the last position" in texts(app)
    table = app.dataframe[0].value
    assert set(table["metric"]) == {"log-probability"}
    choose(app, site="ffn", layer=7, group="4 =")
    assert not app.exception
    assert "The change of log-probability is" in texts(app)
    pairs = next(d.value for d in app.dataframe if "P(r) patched" in d.value)
    row = pairs.iloc[0]
    by_hand = math.log(row["P(r) patched"]) - math.log(row["P(r) base"])
    assert row["change of log-probability"] == pytest.approx(by_hand, rel=1e-3, abs=1e-3)
    next(b for b in app.button if b.label == "Measure heads and neurons").click().run()
    wait(app)
    assert not app.exception
    assert "change of log-probability" in next(d.value for d in app.dataframe if "promotes" in d.value)
