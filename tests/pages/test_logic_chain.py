"""The pages CNA logic chain and Find neurons, without a browser."""

import json
import time

import networkx as nx
import pandas as pd
import pytest
from streamlit.testing.v1 import AppTest

from core.chain.case import attention_weighted, logic_case
from core.chain.export import to_graphml, to_json
from core.chain.head_paths import head_paths
from core.chain.prune import prune
from core.forward.record import record
from core.model.load import load_model
from core.neurons.compare import compare_heads
from core.paper import notebook
from core.vocabulary.concepts import SHORT_LIST
from core.vocabulary.shallow import shallow_counts
from pages.logic_chain.graph_chart import chain_chart, edge_frame, node_frame
from pages.logic_chain.notebook import beside_neurons, is_the_notebooks, with_ours
from pages.logic_chain.settings import DeepSetSettings
from pages.shared.words import code, three_digits
from tests.some import some

CHAIN, FIND = "pages/logic_chain/page.py", "pages/find_neurons/page.py"


def wait(app):
    """Runs until nothing is computed any more."""
    end = time.monotonic() + 120
    while app.get("progress") or any("Another computation" in i.value for i in app.info):
        assert time.monotonic() < end
        time.sleep(0.2)
        app.run()
    return app


def open_page(path):
    app = AppTest.from_file("../../app.py", default_timeout=60).run()
    return wait(app.switch_page(path).run())


@pytest.fixture
def app():
    return open_page(CHAIN)


def texts(app) -> str:
    return "\n".join(m.value for m in app.markdown)


def captions(app) -> str:
    return "\n".join(c.value for c in app.caption)


def table(app, column):
    return next(d.value for d in app.dataframe if column in d.value.columns)


def press(app, label):
    next(b for b in app.button if b.label == label).click().run()
    return wait(app)


def test_six_parts_on_opening(app):
    assert not app.exception
    assert not app.error
    assert [h.value[0] for h in app.header] == ["1", "2", "3", "4", "5", "6"]
    assert len(table(app, "importance_first")) == 99
    assert "the head whose ablation lowers it most" in texts(app)
    assert "adds most to" in texts(app)


def test_neurons_are_those_of_the_comparison(app, bundled, arithmetic_heads, head_names):
    app.session_state["heads"] = head_names[:2]
    wait(app.run())
    assert "as picked in the sidebar" in captions(app)
    app.button_group(key="neuron_order").set_value("by change (CNA)").run()
    shown = table(app, "importance_first")
    expected = compare_heads(bundled, "3+5=", arithmetic_heads[:2], 99)
    assert shown["rank"].tolist() == list(range(1, 100))
    assert shown["name"].tolist() == [f"{layer}_{n}" for layer, n in expected.pairs]
    assert shown["change"].tolist() == pytest.approx(expected.change.tolist())


def test_a_neuron_that_works_against_the_answer_is_no_carrier(app, bundled):
    """8/2=: the largest change is that of a neuron with negative importance in the original run."""
    app.text_input(key="chain_prompt").set_value("8/2=")
    press(app, "Look inside")
    shown = table(app, "importance_first")
    top = shown[shown["rank"] == 1].iloc[0]
    assert top["importance_first"] < 0
    assert top["role"] == "works against it"
    lead = shown.iloc[0]
    assert lead["role"] == "carries the answer"
    assert lead["importance_first"] == shown["importance_first"].max()
    assert lead["carried"] > 0.9 * lead["change"] > 0  # and not one that adds little and then turns against it
    text = texts(app)
    assert f"**{lead['name']}** leads" in text
    assert f"the first of them is **{top['name']}** (rank 1 by change" in text
    assert f"{(shown['role'] == 'carries the answer').sum()} of them carry the answer" in text
    groups = dict(list(shown.groupby("role")))
    assert len(groups) >= 2
    assert groups.pop("carries the answer")["carried"].is_monotonic_decreasing
    assert all(rows["rank"].is_monotonic_increasing for rows in some(groups.values()))
    app.button_group(key="neuron_order").set_value("by change (CNA)").run()
    again = table(app, "importance_first")
    assert again["change"].is_monotonic_decreasing
    assert set(again["name"]) == set(shown["name"])
    assert again["name"].iloc[0] == top["name"]
    assert "leads: its importance" in texts(app)
    assert not app.exception


def test_another_prompt_and_k(app):
    app.text_input(key="chain_prompt").set_value("9-2=")
    app.slider(key="k").set_value(20)
    press(app, "Look inside")
    assert not app.exception
    assert len(table(app, "importance_first")) == 20
    assert app.query_params["run"] in ("1", ["1"])


def test_bad_prompts(app):
    for prompt, message in (("", "prompt is empty"), ("3+xyzzy=", "does not know"), ("3+" * 200, "at most 128")):
        app.text_input(key="chain_prompt").set_value(prompt)
        press(app, "Look inside")
        assert message in app.error[0].value
        assert not app.exception


def route_frames(app):
    """The tables of part 4, without the notebook's, which come behind them."""
    return [d.value for d in app.dataframe if "weight_up" in d.value.columns][:4]


def test_the_route_of_a_head_to_a_neuron(app, bundled):
    case = logic_case(bundled, "3+5=")
    root = case.features.root
    assert f"Neuron **{root[0]}_{root[1]}**, the root" in texts(app)
    app.text_input(key="neuron").set_value("7_12").run()
    wait(app)
    assert not app.exception
    route = head_paths(bundled, case.run, case.heads[0], (7, 12))
    positions, heads, sources, origins = route_frames(app)
    assert sources["source"].tolist() == route.sources_frame()["source"].tolist()
    assert positions["weight"].tolist() == pytest.approx(route.positions_frame()["weight"].tolist())
    assert heads["head"].tolist() == route.heads_frame(route.via)["head"].tolist()
    assert origins["weight"].tolist() == pytest.approx(
        route.origins_frame(route.strongest_attention)["weight"].tolist()
    )
    assert f"brings neuron 7_12 most from position {route.via}" in texts(app)
    app.text_input(key="neuron").set_value("0_3").run()
    assert "lies below these heads" in texts(app)


def test_a_link_sets_the_position_of_the_route(bundled):
    case = logic_case(bundled, "3+5=")
    app = AppTest.from_file("../../app.py", default_timeout=60)
    app.query_params["route_at"] = "1"
    app = wait(app.run().switch_page(CHAIN).run())
    assert app.selectbox(key="route_at").value == "1"
    route = head_paths(bundled, case.run, case.heads[0], case.features.root, 1)
    assert route_frames(app)[2]["weight"].tolist() == pytest.approx(route.sources_frame(1)["weight"].tolist())
    app.text_input(key="chain_prompt").set_value("9-2=")
    press(app, "Look inside")
    assert not app.exception


def test_the_notebook_stands_beside(app):
    labels = [e.label for e in app.expander]
    assert labels.count("The paper's notebook: Llama-7B, another model") == 3  # parts 2, 4 and 5
    theirs = next(d.value for d in app.dataframe if "28_3696" in d.value.get("neuron", pd.Series()).tolist())
    assert theirs["change"].tolist() == notebook.neurons_frame()["change"].tolist()
    assert not any("here" in str(column) for d in app.dataframe for column in d.value.columns)
    shown = [d.value for d in app.dataframe if "weight_up" in d.value.columns][4:]
    assert [len(frame) for frame in shown] == [6, 32, 10, 6, 2]


def test_our_neurons_stand_beside_the_notebooks_in_its_model(bundled, arithmetic_head, monkeypatch):
    case = logic_case(bundled, "3+5=", [arithmetic_head], 20)
    monkeypatch.setattr("pages.logic_chain.notebook.model_of", lambda lm: "Llama-7B")
    assert not is_the_notebooks(bundled, case)
    monkeypatch.setattr(notebook, "HEAD", arithmetic_head)
    assert is_the_notebooks(bundled, case)
    first, other = case.neurons.pairs[3], (0, 0)
    theirs = notebook.neurons_frame().head(2).assign(neuron=[f"{n[0]}_{n[1]}" for n in (first, other)])
    shown = beside_neurons(theirs, case)
    assert shown["change"].tolist() == theirs["change"].tolist()
    assert shown["change, here"].iloc[0] == float(case.neurons.change[3])
    assert shown["coefficient_second, here"].iloc[0] == float(case.neurons.coefficient_second[3])
    assert shown["change, here"].isna().tolist() == [False, True]


def test_our_route_stands_beside_the_notebooks(bundled, arithmetic_head):
    case = logic_case(bundled, "3+5=", [arithmetic_head], 20)
    route = head_paths(bundled, case.run, arithmetic_head, case.features.root)
    theirs = pd.DataFrame({"source": ["FFN 2", "FFN 99"], "weight": 1.0, "weight_up": 0.5, "weight_gate": 0.5})
    shown = with_ours(theirs, route.sources_frame())
    mine = route.sources_frame().set_index("source")
    assert shown["weight, here"].iloc[0] == mine["weight"]["FFN 2"]
    assert shown["weight"].tolist() == [1.0, 1.0]
    assert shown["weight_gate, here"].isna().tolist() == [False, True]


def test_a_neurons_card(app):
    app.text_input(key="neuron").set_value("7_12").run()
    assert "#### Neuron 7_12" in texts(app)
    assert "promotes: `" in texts(app)
    assert "suppresses: `" in texts(app)
    assert "gate key matches: `" in texts(app)
    assert app.selectbox(key="through 7_12").options == ["directly"]
    app.button(key="edit 7_12").click().run()
    assert [(e.layer, e.neuron, e.factor) for e in app.session_state["edits to add"]] == [(7, 12, 0.0)]
    app.text_input(key="neuron").set_value("99_1").run()
    assert "Neuron 99_1 does not exist" in app.error[0].value
    app.text_input(key="neuron").set_value("seven").run()
    assert "Write layer and neuron" in app.error[0].value


def test_through_an_attention_layer(app, bundled):
    from core.vocabulary.neuron_tokens import top_tokens

    app.text_input(key="neuron").set_value("1_12").run()
    app.selectbox(key="through 1_12").set_value(4).run()
    sign = float(record(bundled, bundled.encode("3+5=")).coefficient[1, -1, 12])
    for side, coefficient in (("promotes", sign), ("suppresses", -sign)):
        expected = " ".join(code(t) for t in top_tokens(bundled, 1, 12, coefficient, 10, 4))
        assert f"{side}: {expected}" in [m.value for m in app.markdown]
    assert not app.exception


@pytest.mark.parametrize("sign", [-1, 1])
def test_a_neurons_card_and_the_bench_read_it_by_its_sign_in_the_run(app, bundled, sign):
    shown = table(app, "importance_first")
    row = shown[shown["coefficient_first"] * sign > 0].iloc[0]
    app.text_input(key="neuron").set_value(row["name"]).run()
    assert f"coefficient {three_digits(row['coefficient_first'])} after `3+5=`" in captions(app)
    line = next(m.value for m in app.markdown if m.value.startswith("promotes: "))
    assert [t for t in line.replace("␣", "").replace("`", "").split()[1:] if t] == row["tokens"].replace(
        "␣", ""
    ).split()
    app.button(key=f"edit {row['name']}").click().run()
    wait(app.switch_page("pages/what_if/page.py").run())
    wanted = (
        f"promotes {' '.join(line.split()[1:7])} (coefficient {three_digits(row['coefficient_first'])} after `3+5=`)"
    )
    assert wanted in [c.value for c in app.caption]


def test_graph_controls(app):
    app.slider(key="nodes").set_value(15).run()
    assert "15 nodes" in texts(app)
    shown = table(app, "label")
    app.selectbox(key="by").set_value("attention-weighted").run()
    wait(app)
    assert "15 nodes" in texts(app)
    assert not table(app, "label")["weight"].equals(shown["weight"])
    assert not app.exception
    assert not app.error


@pytest.mark.parametrize("by", ["score", "weighted"])
def test_exports_are_what_is_drawn(bundled, arithmetic_head, by):
    case = logic_case(bundled, "3+5=", [arithmetic_head])
    graph = prune(case.chain if by == "score" else attention_weighted(bundled, case), 40, 0.1)
    frame = node_frame(graph)
    spec = chain_chart(frame, edge_frame(graph, frame), False).to_dict()
    rows = [row for data in spec["datasets"].values() for row in data]
    nodes = {row["id"] for row in rows if "id" in row}
    edges = {row["edge"] for row in rows if "edge" in row}
    for again in (nx.parse_graphml(to_graphml(graph)), nx.node_link_graph(json.loads(to_json(graph)), edges="edges")):
        assert set(again) == nodes
        assert {f"{a} → {b}" for a, b in again.edges} == edges
        assert len(again) == 40
        assert dict(again.nodes(data="weight")) == dict(graph.nodes(data="weight"))
    assert json.loads(to_json(graph))["graph"]["target"] == case.neurons.target


def test_a_whole_set(app):
    app.slider(key="set_count").set_value(5)
    next(b for b in app.button if b.label == "Measure").click().run()
    wait(app)
    assert not app.exception
    assert not app.error
    shown = next(d.value for d in app.dataframe if "top 99" in d.value.columns and "mask" in d.value.index)
    assert list(shown.columns) == ["top 99", "top 50", "top 30", "top 20", "top 10"]
    assert "root ablated: coefficient" in shown.index
    assert "coefficient, median" in shown.index
    text, cases = texts(app), table(app, "place")
    assert "without the top 99 neurons of each token" in text
    prompts = DeepSetSettings(count=5).prompts()
    assert f"The 10 answers have {sum(len(p.answer) for p in prompts)} tokens; {len(cases) // 5} of them" in text
    assert "A case is one token of a prompt's right answer" in text
    digits = [row["answer"][row["place"]] for _, row in cases.iterrows()]
    assert cases["token"].tolist() == digits
    assert cases["place"].max() == 1


def test_the_shallow_filter(app):
    [b for b in app.button if b.label == "Measure"][1].click().run()
    wait(app)
    assert not app.exception
    assert not app.error
    shown = table(app, "control_decrease")
    assert len(shown) == 4
    assert shown["neurons"].is_monotonic_decreasing
    assert (shown["prompts"] == 100).all()
    assert (shown["by_chance"] < shown["neurons"]).all()
    assert "paper_neurons" not in shown  # none of these M is one of table 8's
    assert "By chance alone" in texts(app)
    assert "Counted: 163 of 1,036 tokens" in captions(app)
    assert (shown["cases"] > shown["prompts"]).all()
    assert f"% of {shown['cases'].iloc[0]} answer tokens correctly" in texts(app)
    app.text_input(key="shallow_M").set_value("none")
    [b for b in app.button if b.label == "Measure"][1].click().run()
    assert "whole numbers for M" in app.error[0].value


def test_the_shallow_filter_as_in_table_17(bundled):
    """The short list, the value only, on divisions: the paper's columns stand beside ours, and a link opens it."""
    app = AppTest.from_file("../../app.py", default_timeout=60).run()
    chosen = {
        "shallow_list": SHORT_LIST,
        "shallow_signs": "v only",
        "shallow_set": "/ (table 17)",
        "shallow_M": "1 2 9",
        "shallow_count": "5",
        "shallow_draws": "1",
    }
    app.query_params.update(chosen)
    app = wait(app.switch_page(CHAIN).run())
    [b for b in app.button if b.label == "Measure"][1].click().run()
    shown = table(wait(app), "control_decrease")
    counts = shallow_counts(bundled, range(4), 103, SHORT_LIST, "plus")
    assert shown["neurons"].tolist() == [len(counts.pairs(m)) for m in (1, 2, 9)]
    assert shown["by_chance"].tolist() == pytest.approx([counts.by_chance(m) for m in (1, 2, 9)])
    assert shown["prompts"].tolist() == [5, 5, 5]
    assert shown["paper_neurons"].tolist()[:2] == [10426, 1953]
    assert shown["paper_decrease"].tolist()[:2] == pytest.approx([0.821, 0.308])
    assert shown["paper_neurons"].isna().tolist() == [False, False, True]
    assert "Counted: 15 of 1,036 tokens" in captions(app)


def test_the_shallow_filter_on_llamas_kind_of_vocabulary(app, random_on):
    """The defaults are the paper's: the short list, the value only, the top 50, M from 0 to 3."""
    folder = random_on("mistral")
    lm = load_model(folder)
    wait(app.switch_page(FIND).run())
    press(app, "Use these")
    wait(app.switch_page(CHAIN).run())
    assert "Your own list of 143 tokens" in captions(app)
    try:
        change_model(app, str(folder))
        [b for b in app.button if b.label == "Measure"][1].click().run()
        shown = table(wait(app), "control_decrease")
        assert not app.exception
        counts = shallow_counts(lm, [0], 50, SHORT_LIST, "plus")
        assert shown["more_than"].tolist() == [0, 1, 2, 3]
        assert shown["neurons"].tolist() == [len(counts.pairs(m)) for m in range(4)]
        assert shown["by_chance"].tolist() == pytest.approx([counts.by_chance(m) for m in range(4)])
        assert shown["paper_neurons"].tolist() == [51980, 10426, 1953, 510]
        assert "Counted: 25 of 32,000 tokens" in captions(app)
        assert "no more neurons than chance gives" in texts(app)
        assert "Your own list" not in captions(app)  # it was written in another model's tokens
    finally:
        change_model(app, "bundled")


def change_model(app, source):
    app.text_input(key="model source").set_value(source).run()
    app.button(key="load model").click().run()
    wait(app).run()


def test_own_concepts_count_in_the_filter():
    app = open_page(FIND)
    app.text_area(key="concept words").set_value("one two +")
    press(app, "Use these")
    app = wait(app.switch_page(CHAIN).run())
    assert "Your own list of 3 tokens" in captions(app)
    [b for b in app.button if b.label == "Measure"][1].click().run()
    wait(app)
    assert "Counted: 3 of 1,036 tokens" in captions(app)


def test_first_order_scores(app):
    press(app, "Compare with the exact values")
    assert not app.exception
    assert "Rank correlation with the exact effects" in texts(app)


def test_find_neurons():
    app = open_page(FIND)
    assert not app.exception
    assert len(table(app, "top_tokens")) == 50
    app.text_input(key="word").set_value("seven")
    app.slider(key="found").set_value(20)
    press(app, "Search")
    found = table(app, "top_tokens")
    assert len(found) == 20
    assert found["score"].is_monotonic_decreasing
    assert all("seven" in row.split() for row in some(found["top_tokens"][found["rank"] <= 10]))
    app.text_input(key="word").set_value("xyzzy")
    press(app, "Search")
    assert "does not know" in app.error[0].value


def test_concepts_are_edited(bundled):
    app = open_page(FIND)
    app.text_area(key="concept words").set_value("one two +")
    press(app, "Use these")
    assert len(app.session_state["concept ids"]) == 3
    assert "3 tokens of your own" in captions(app)
    app.text_area(key="concept words").set_value("one xyzzy")
    press(app, "Use these")
    assert "no single token" in app.error[0].value
    assert len(app.session_state["concept ids"]) == 3
    press(app, "Drop my list")
    assert app.session_state["concept ids"] is None


def test_the_lists_of_concepts():
    app = open_page(FIND)
    assert len(table(app, "which")) == 10
    assert "zwei" in app.text_area(key="concept words").value.split()
    assert "null" not in app.text_area(key="concept words").value.split()
    app.selectbox(key="concept_list").set_value(SHORT_LIST).run()
    assert table(app, "which")["group"].tolist() == ["digits", "operator signs"]
    assert sorted(app.text_area(key="concept words").value.split()) == sorted("0123456789+-*/=")
    app.text_area(key="concept words").set_value("eight")
    press(app, "Use these")
    assert app.text_area(key="concept words").value == "eight"
    app = wait(app.switch_page(CHAIN).run().switch_page(FIND).run())
    assert sorted(app.text_area(key="concept words").value.split()) == sorted("0123456789+-*/=")
    assert "1 tokens of your own" in captions(app)


def test_the_cache_is_cleared():
    from core import disk_cache

    app = open_page(CHAIN)
    assert disk_cache.size() > 0
    app.switch_page(FIND).run()
    press(wait(app), "Clear")
    assert disk_cache.size() == 0
