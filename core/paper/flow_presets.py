"""Presets of causal mediation: the main settings of the CMA paper, as in its authors' code."""

from core.paper.models import GPT_J
from core.paper.preset import OPERATIONS, Asked, Preset


def _mediated(number_range: str) -> Asked:
    """The defaults of the authors' code: the fields of `core.mediation.study.DrawnPairs`, and how cells are shown."""
    pairs = {
        "kind": "other operands",
        "count": 120,
        "operations": OPERATIONS,
        "forms": ("digits",),
        "templates": None,
        "template_set": "CMA",
        "number_range": number_range,
        "metric": "indirect effect",
        "sites": ("embedding", "ffn", "attention"),
    }
    return {"pairs": pairs, "shown": {"average": "mean", "grouping": "CMA"}}


_MEDIATED = (
    "Other operands, all six templates of each operation with five pairs each: the defaults of the authors' code."
)

FLOW = (
    Preset(
        "causal_mediation",
        "CMA: two operands (GPT-J, Pythia)",
        _mediated("CMA, up to 300"),
        note=f"{_MEDIATED} Operands and results up to 300.",
        model=GPT_J,
    ),
    Preset(
        "causal_mediation",
        "CMA: two operands (LLaMA, Goat)",
        _mediated("CMA, one-digit results"),
        note=f"{_MEDIATED} Results of one digit, since these tokenizers write each digit as a token.",
    ),
)
