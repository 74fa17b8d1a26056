"""The notebook's numbers: as stored, consistent with one another, and with the paper's tables 4 and 7."""

import json
from pathlib import Path

import pytest

from core import paper
from core.paper import notebook
from tests.some import some

PLACE = Path(paper.__file__).parent
STORED = json.loads((PLACE / "tables.json").read_text(encoding="utf-8"))["notebook"]
MORE = json.loads((PLACE / "notebook.json").read_text(encoding="utf-8"))


def test_heads_of_the_sweep():
    frame = notebook.heads_frame()
    assert dict(zip(frame["head"], frame["probability"], strict=True)) == STORED["lowest_probability_heads"]
    assert notebook.probability() == STORED["probability"]
    assert frame["probability"].is_monotonic_increasing
    assert frame["decrease"].tolist() == pytest.approx(
        [(STORED["probability"] - value) / STORED["probability"] for value in frame["probability"]]
    )


def test_neurons_of_cna():
    frame = notebook.neurons_frame()
    assert frame.drop(columns="tokens").to_numpy().tolist() == STORED["cna_top10"]
    assert frame["change"].tolist() == pytest.approx(
        (frame["importance_first"] - frame["importance_second"]).tolist(), abs=2e-4
    )
    assert [tokens.split() for tokens in frame["tokens"]] == [MORE["top_tokens"][name] for name in frame["neuron"]]
    table_4 = paper.table(4)["rows"]
    found = frame.set_index("neuron")
    for name, row in some(table_4.items()):
        mine = found.loc[name]
        assert [mine["importance_first"], mine["importance_second"]] == pytest.approx(row[:2], abs=0.011)
        assert [abs(mine["coefficient_first"]), abs(mine["coefficient_second"])] == pytest.approx(row[2:4], abs=0.011)


def test_increase_by_layer():
    frame = notebook.increase_frame()
    assert len(frame) == 64
    sums = frame.groupby("module")["increase"].sum()
    assert sums["attention"] == pytest.approx(MORE["layer_increase"]["attention_sum"])
    assert sums["FFN"] == pytest.approx(MORE["layer_increase"]["ffn_sum"])


def weights(frame):
    return frame[["weight_up", "weight_gate"]].to_numpy().tolist()


def test_the_way_of_head_17_22_to_neuron_19_5769():
    stored = MORE["head_paths"]
    assert (stored["head"], stored["neuron"]) == ("17_22", "19_5769")
    assert weights(notebook.positions_frame()) == stored["positions"]
    assert weights(notebook.origins_frame()) == stored["origins"]
    heads = notebook.layer_heads_frame()
    assert {str(h): w for h, w in zip(heads["head"], weights(heads), strict=True)} == stored["heads"]
    assert sorted(heads["head"]) == list(range(32))
    sources = notebook.sources_frame()
    assert [[name, *w] for name, w in zip(sources["source"], weights(sources), strict=True)] == stored["sources"]
    for frame in (heads, sources, notebook.positions_frame(), notebook.origins_frame()):
        assert frame["weight"].tolist() == pytest.approx((frame["weight_up"] + frame["weight_gate"]).tolist())


def test_its_cells_fit_one_another():
    """The heads at the last position add up to that position; the origins of layer 15 to that layer's output."""
    stored = MORE["head_paths"]
    last = notebook.positions_frame().iloc[stored["heads_at"]]
    heads = notebook.layer_heads_frame()
    assert heads["weight_up"].sum() == pytest.approx(last["weight_up"], abs=1e-3)
    assert heads["weight_gate"].sum() == pytest.approx(last["weight_gate"], abs=1e-3)
    source = notebook.sources_frame().set_index("source").loc[f"attention {notebook.origin_layer()}"]
    assert notebook.origins_frame()["weight_up"].sum() == pytest.approx(source["weight_up"], abs=1e-3)
    assert notebook.origins_frame()["weight_gate"].sum() == pytest.approx(source["weight_gate"], abs=1e-3)


def test_the_shallow_neurons_are_those_of_table_7():
    frame = notebook.shallow_frame()
    assert frame["name"].tolist() == ["12_4072", "11_2258"]
    assert frame["token"].tolist() == ["3", "5"]
    assert weights(frame) == [[one["best"]["up"], one["best"]["gate"]] for one in MORE["through_attention"]]
    for row in some(frame.itertuples()):
        before, after = paper.table(7)["rows"][row.name]
        assert len(set(before) & set(frame.loc[row.Index, "tokens before"].split())) >= 5
        assert len(set(after) & set(frame.loc[row.Index, "tokens after"].split())) >= 4
