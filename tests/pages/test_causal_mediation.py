"""The page Causal mediation, without a browser."""

import json
import math
import re

import pytest
import torch
from streamlit.testing.v1 import AppTest

from core.mediation.draw import draw_pairs
from core.mediation.probability_changes import PROBABILITY_CHANGES
from core.vocabulary.neuron_tokens import both_sides
from pages.shared.words import code, percent, visible
from tests.pages.test_arithmetic_heads import run_and_wait, texts, wait
from tests.some import some

APP, PAGE = "../../app.py", "pages/mediation/page.py"


@pytest.fixture
def app():
    app = AppTest.from_file(APP, default_timeout=60).run()
    return app.switch_page(PAGE).run()


def cells(app):
    """The table of all maps."""
    return next(d.value for d in app.dataframe if "site" in d.value)


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
    said = texts(app)
    assert "The paper (CMA): early FFNs act at the operands, later ones at the last position. Measured:" in said
    assert "(95% intervals over 10 pairs)" in said
    assert "holds" not in said
    assert re.search(r"in layers 0 to 3 \S+ \[\S+, \S+\] is at the operands", said)
    assert re.search(r"late FFNs at the last position: \*\*\S+ \[\S+, \S+\]\*\*", said)
    table = cells(app)
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
    assert set(cells(app)["pairs"]) == {"other operands", "facts"}
    choose(app, task="facts", site="ffn", layer=0, group="subject")
    assert "FFN of layer 0 at `subject`" in texts(app)
    wait(app.selectbox(key="beside").set_value("nothing").run())
    assert not app.exception
    assert "for other operands and" not in texts(app)


@pytest.mark.parametrize("measure", ["wanted changes", "unwanted changes", "undesired changes (CMA)"])
def test_changes_of_the_prediction(app, measure):
    app.slider(key="pairs").set_value(5)
    run_and_wait(app)
    app.selectbox(key="flow_shown").set_value(measure).run()
    app.button_group(key="flow_average").set_value("mean").run()
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
        assert len(charts) == 5  # FFN, attention, embedding, lines and heads
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
    assert app.selectbox(key="beside").options == ["nothing", "random weights"]
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
    assert "Largest change of log-probability (nats, mean) at the last position" in texts(app)
    table = cells(app)
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


def test_geometric_mean_first_with_its_interval(app):
    app.slider(key="pairs").set_value(10)
    run_and_wait(app)
    assert app.button_group(key="flow_average").value == "geometric mean"
    maps = [json.loads(chart.proto.spec) for chart in app.get("vega_lite_chart")]
    assert len(maps) == 4
    for chart in some(maps):
        assert "95% interval" in json.dumps(chart)
    table = cells(app)
    assert (table["low"] <= table["geometric mean"]).all()
    assert (table["geometric mean"] <= table["high"]).all()
    choose(app, site="ffn", layer=5, group="last")
    assert "(geometric mean, 95% interval" in texts(app)
    app.button_group(key="flow_average").set_value("mean").run()
    assert "95% interval" not in json.dumps([json.loads(c.proto.spec) for c in app.get("vega_lite_chart")])


def test_relative_importance_beside_the_authors(app):
    app.slider(key="pairs").set_value(10)
    run_and_wait(app)
    shares = next(d.value for d in app.dataframe if "as the authors compute it" in d.value)
    assert shares["module"].tolist() == ["FFN", "attention"]
    measured = app.session_state["slot mediation"].job.result.importance["ffn"]
    for column, found in some(
        [("geometric mean", measured.geometric), ("as the authors compute it", measured.authors)]
    ):
        low, high = (percent(end).removesuffix("%") for end in (found.low, found.high))
        assert shares[column][0] == f"{percent(found.value)} [{low}, {high}]"
    captions = "\n".join(caption.value for caption in app.caption)
    assert "Printed in their notebook: 8.07% for the FFNs of GPT-J (other operands, 2 pairs)" in captions
    assert re.search(
        r"one pair of 10 carries \*\*\d\S*%\*\* of the largest arithmetic mean of the FFN, in layer", texts(app)
    )
    app.button_group(key="pair_sites").set_value(["ffn"])
    run_and_wait(app)
    shares = next(d.value for d in app.dataframe if "as the authors compute it" in d.value)
    assert shares["as the authors compute it"].tolist() == ["–"]  # the embedding was not copied


def test_other_sites(app):
    app.slider(key="pairs").set_value(5)
    app.button_group(key="pair_sites").set_value(["residual", "pattern"])
    run_and_wait(app)
    assert not app.exception
    assert set(cells(app)["site"]) == {"residual", "pattern"}
    assert "residual stream of layer" in texts(app)
    assert not any("as the authors compute it" in d.value for d in app.dataframe)
    choose(app, site="pattern", layer=3, group="last")
    assert "attention weights of layer 3 at `last`" in texts(app)
    app.button_group(key="pair_sites").set_value(["embedding"])
    run_and_wait(app)
    assert not app.exception
    choose(app, site="embedding", layer=0, group="first operand")
    assert "embedding at `first␣operand`: IE is" in texts(app)
    app.button_group(key="pair_sites").set_value([])
    run_and_wait(app)
    assert "at least one site" in app.error[0].value


@pytest.mark.parametrize("name", list(PROBABILITY_CHANGES))
def test_the_authors_other_measures(app, name):
    app.button_group(key="pair_source").set_value("Your own two prompts").run()
    run_and_wait(app)
    app.selectbox(key="flow_shown").set_value(name).run()
    assert not app.exception
    assert f"Largest {name} (mean) at the last position" in texts(app)
    choose(app, site="ffn", layer=7, group="4 =")
    assert f"The {name} is" in texts(app)
    row = next(d.value for d in app.dataframe if "P(r) patched" in d.value).iloc[0]
    base = torch.tensor([row["P(r) base"], row["P(r′) base"]], dtype=torch.float64).log()
    patched = torch.tensor([row["P(r) patched"], row["P(r′) patched"]], dtype=torch.float64).log()
    assert row[name] == pytest.approx(PROBABILITY_CHANGES[name].of(base, patched).item(), rel=1e-3, abs=1e-6)


def test_random_weights_beside(app):
    app.slider(key="pairs").set_value(5)
    run_and_wait(app)
    wait(app.selectbox(key="beside").set_value("random weights").run())
    assert not app.exception
    assert not app.error
    assert "**Random weights.** 5 pairs" in texts(app)
    assert "with random weights on the same prompts" in texts(app)
    table = cells(app)
    largest = table.groupby("pairs")["geometric mean"].max()
    assert largest["random weights"] < 0.1 * largest["other operands"]
    wait(app.number_input(key="control_seed").set_value(3).run())
    assert not app.exception
    again = cells(app).groupby("pairs")["geometric mean"].max()
    assert again["other operands"] == largest["other operands"]
    assert again["random weights"] != largest["random weights"]


def test_a_link_to_the_control_and_other_sites():
    app = AppTest.from_file(APP, default_timeout=60).run().switch_page(PAGE)
    asked = {"pairs": "5", "pair_sites": ["embedding", "residual stream"], "run": "1", "beside": "random weights"}
    for name, value in (asked | {"control_seed": "7", "flow_shown": "gain of r′"}).items():
        app.query_params[name] = value
    wait(app.run())
    assert not app.exception
    assert "**Random weights.** 5 pairs" in texts(app)
    assert set(cells(app)["site"]) == {"embedding", "residual"}
    assert app.session_state["slot mediation control"].job.result.control == 7
    assert app.selectbox(key="flow_shown").value == "gain of r′"


def test_no_room_for_random_weights(app, monkeypatch):
    app.slider(key="pairs").set_value(5)
    run_and_wait(app)
    monkeypatch.setattr("core.model.random_weights.free_memory", lambda device: 1000)
    app.selectbox(key="beside").set_value("random weights").run()
    assert not app.exception
    assert "beside the first" in app.error[0].value
    assert "5 pairs, such as" in texts(app)


@pytest.mark.parametrize("part", ["attention weights", "attention weights everywhere"])
def test_attention_weights_of_single_heads(app, part):
    app.slider(key="pairs").set_value(5)
    run_and_wait(app)
    app.selectbox(key="pair_head_part").set_value(part).run()
    next(b for b in app.button if b.label == "Measure heads and neurons").click().run()
    wait(app)
    assert not app.exception
    assert not app.error
    assert app.session_state["slot mediation units"].job.result.heads.site == "head pattern"


def test_the_authors_prompts(app, bundled):
    """Each choice reaches what is drawn."""
    app.selectbox(key="pair_set").set_value("CMA").run()
    app.selectbox(key="pair_range").set_value("CMA, up to 300").run()
    names = app.multiselect(key="pair_cma").options
    assert len(names) == 6
    assert names[5] == "n1 + n2 ="
    app.multiselect(key="pair_cma").set_value([5])
    app.slider(key="pairs").set_value(5)
    run_and_wait(app)
    assert not app.exception
    assert not app.error
    assert "5 pairs, such as" in texts(app)
    drawn = draw_pairs(bundled, count=5, template_set="CMA", number_range="CMA, up to 300", templates=(5,))
    assert f"such as {code(drawn[0].base)} with {code(drawn[0].alternative)}" in texts(app)
    wait(app.selectbox(key="beside").set_value("facts").run())
    assert not app.exception
    assert "**Facts.** 5 pairs" in texts(app)


def test_lists_of_templates_follow_the_kind(app):
    def lists():
        return {box.key: len(box.options) for box in app.multiselect if box.key.startswith("pair_")}

    assert lists() == {"pair_templates": 4}
    app.selectbox(key="pair_set").set_value("CMA").run()
    for kind, expected in (
        ("same result", {"pair_cma": 6}),
        ("three operands", {"pair_cma_three": 29}),
        ("number retrieval", {"pair_cma_retrieval": 8}),
        ("facts", {"pair_relations": 9}),
    ):
        app.selectbox(key="pair_kind").set_value(kind).run()
        assert lists() == expected
        assert [toggle.key for toggle in app.toggle] == ["pair_classes"] * (kind == "number retrieval")


def test_facts_of_one_relation(app):
    app.selectbox(key="pair_kind").set_value("facts").run()
    app.multiselect(key="pair_relations").set_value(["opposite"])
    app.slider(key="pairs").set_value(5)
    run_and_wait(app)
    assert not app.error
    assert "The␣opposite␣of" in texts(app)
    app.multiselect(key="pair_relations").set_value(["birthplace"])
    run_and_wait(app)
    assert "This model cannot do this" in app.error[0].value


def test_positions_as_in_the_authors_notebook(app):
    app.slider(key="pairs").set_value(5)
    app.multiselect(key="pair_templates").set_value([1])
    run_and_wait(app)
    app.button_group(key="flow_groups").set_value("CMA").run()
    assert not app.exception
    groups = next(d.value for d in app.dataframe if "group" in d.value)["group"]
    assert set(groups) == {"early", "first operand", "middle", "second operand", "late", "last"}
    choose(app, site="ffn", layer=2, group="middle")
    assert "FFN of layer 2 at `middle`" in texts(app)
    app.button_group(key="flow_groups").set_value("roles").run()
    assert "FFN of layer 2 at `last`" in texts(app)
    assert not app.exception


def test_own_prompts_have_one_grouping(app):
    own(app, "3 + 5 =", "2 + 7 =")
    assert "flow_groups" not in [each.key for each in app.button_group]
    assert not app.exception
