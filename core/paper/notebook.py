"""What the notebooks of the CNA paper print for "3+5=" in Llama-7B (fp32), as tidy tables.

`tables.json` holds the ten heads of the sweep and the ten neurons of CNA; `notebook.json` the rest: tokens, the
increase by layer, and cells 8 to 16, which follow head 17_22 to neuron 19_5769 and back to the input.
"""

import json
from functools import cache
from pathlib import Path
from typing import Any

import pandas as pd

from core.paper.tables import stored
from core.types import Head, Neuron

PROMPT = "3+5="
#: The head that is ablated, and the neuron whose inputs the notebook follows.
HEAD: Head = (17, 22)
NEURON: Neuron = (19, 5769)
_WHEN = ((0, "before"), (1, "after"))
SOURCE = "The notebooks of Yu and Ananiadou (EMNLP 2024) for '3+5=' in Llama-7B, fp32"


@cache
def _more() -> dict[str, Any]:
    return json.loads((Path(__file__).parent / "notebook.json").read_text(encoding="utf-8"))


def tokens() -> list[str]:
    """The prompt's tokens."""
    return list(stored()["notebook"]["tokens"])


def probability() -> float:
    """Probability of the prediction, "8", with all heads."""
    return float(stored()["notebook"]["probability"])


def heads_frame() -> pd.DataFrame:
    """The ten heads without which "8" is least probable: head, probability, decrease (relative)."""
    lowest: dict[str, float] = stored()["notebook"]["lowest_probability_heads"]
    rows = [(head, value, 1 - value / probability()) for head, value in lowest.items()]
    return pd.DataFrame(rows, columns=["head", "probability", "decrease"])


def neurons_frame() -> pd.DataFrame:
    """The ten neurons whose importance falls most without head 17_22.

    Columns: neuron, change, importance_first, importance_second, coefficient_first, coefficient_second (first = with
    all heads, second = without), tokens.
    """
    names = ["neuron", "change", "importance_first", "importance_second", "coefficient_first", "coefficient_second"]
    frame = pd.DataFrame(stored()["notebook"]["cna_top10"], columns=names)
    return frame.assign(tokens=[" ".join(_more()["top_tokens"][neuron]) for neuron in frame["neuron"]])


def increase_frame() -> pd.DataFrame:
    """Log-probability increase by layer (nats): layer, module (attention or FFN), increase."""
    found = _more()["layer_increase"]
    rows = [
        (layer, module, value)
        for module, key in (("attention", "attention"), ("FFN", "ffn"))
        for layer, value in enumerate(found[key])
    ]
    return pd.DataFrame(rows, columns=["layer", "module", "increase"])


def _weights(frame: pd.DataFrame, pairs: list[list[float]]) -> pd.DataFrame:
    up, gate = (pd.Series([pair[at] for pair in pairs]) for at in (0, 1))
    return frame.assign(weight=up + gate, weight_up=up, weight_gate=gate)


def positions_frame() -> pd.DataFrame:
    """What attention layer 17 brings neuron 19_5769 from each position (cell 9).

    Columns: position, token, weight, weight_up, weight_gate; inner products with the neuron's keys, by attention.
    """
    pairs = _more()["head_paths"]["positions"]
    return _weights(pd.DataFrame({"position": range(len(pairs)), "token": tokens()}), pairs)


def layer_heads_frame() -> pd.DataFrame:
    """What each head of layer 17 brings from the last position (cell 10): head, weight, weight_up, weight_gate."""
    heads: dict[str, list[float]] = _more()["head_paths"]["heads"]
    return _weights(pd.DataFrame({"head": [int(head) for head in heads]}), list(heads.values()))


def sources_frame() -> pd.DataFrame:
    """The ten earlier outputs at the last position that head 17_22 would carry furthest along the up key (cell 11).

    Columns: source ("embedding", "attention 15", "FFN 16"), weight, weight_up, weight_gate; without attention.
    """
    rows = _more()["head_paths"]["sources"]
    return _weights(pd.DataFrame({"source": [row[0] for row in rows]}), [row[1:] for row in rows])


def origins_frame() -> pd.DataFrame:
    """The positions from which attention layer 15 brought its output to the last position (cell 12).

    Columns: position, token, weight, weight_up, weight_gate; carried on by head 17_22.
    """
    pairs = _more()["head_paths"]["origins"]
    return _weights(pd.DataFrame({"position": range(len(pairs)), "token": tokens()}), pairs)


def origin_layer() -> int:
    """The attention layer whose output `origins_frame` divides by position."""
    return int(_more()["head_paths"]["origins_through"])


def shallow_frame() -> pd.DataFrame:
    """The two shallow neurons that reach neuron 19_5769 through attention layer 15 and head 17_22 (cells 13 to 16).

    Columns: name, position, token, through, weight, weight_up, weight_gate, tokens before, tokens after.
    """
    best = [found["best"] for found in _more()["through_attention"]]
    frame = pd.DataFrame(
        {
            "name": [one["neuron"] for one in best],
            "position": [one["position"] for one in best],
            "token": [tokens()[one["position"]] for one in best],
            "through": [one["through"] for one in best],
        }
    )
    frame = _weights(frame, [[one["up"], one["gate"]] for one in best])
    return frame.assign(**{f"tokens {when}": [" ".join(one["tokens"][at]) for one in best] for at, when in _WHEN})
