"""Scatter charts without a selection: no layer is filtered down to nothing, of which Vega warns (Infinite extent)."""

import pandas as pd

from pages.find_neurons.chart import promoter_dots
from pages.logic_chain.charts import neuron_dots
from tests.some import some

FRAME = pd.DataFrame(
    {
        "name": ["1_2", "3_4"],
        "layer": [1, 3],
        "score": [4.0, 3.0],
        "rank": [1, 2],
        "when": ["coefficient > 0"] * 2,
        "top_tokens": ["a", "b"],
        "selected": [False, False],
        "change": [0.4, 0.1],
        "short": ["a", "b"],
        "place": [0, 1],
        "importance_first": [0.4, 0.1],
        "importance_second": [0.0, 0.0],
        "coefficient_first": [1.0, 2.0],
        "coefficient_second": [0.0, 0.0],
        "tokens": ["a", "b"],
    }
)


def layers_of(chart):
    found = chart.to_dict()["layer"]
    assert len(found) >= 2
    return found


def test_the_ring_of_what_is_selected():
    for chart in (promoter_dots(FRAME, False, 8), neuron_dots(FRAME, False)):
        assert all("selected" not in str(layer.get("transform", [])) for layer in some(layers_of(chart)))
        assert layers_of(chart)[0]["encoding"]["strokeOpacity"]["condition"]["test"] == "datum.selected"
