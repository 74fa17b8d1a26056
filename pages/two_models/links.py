"""Links from a stored result to the page that computes it, with the model loaded and the question set."""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import streamlit as st

from core.findings.record import Findings
from core.findings.side_by_side import SideBySide
from core.model.source import bundled_name
from pages.shared.inputs import MODEL_WANTED
from pages.shared.permissions import is_locked
from pages.shared.resources import residence


@dataclass(frozen=True)
class Target:
    """A page, and the widgets that set one model's question there, as its link writes them."""

    title: str
    path: str
    widgets: Callable[[Findings], Mapping[str, Any]]


def _none(found: Findings) -> Mapping[str, Any]:
    return {}


def _top_head(found: Findings) -> list[str]:
    return [] if found.one_sum is None else ["_".join(map(str, found.one_sum.top))]


def _prompt(found: Findings) -> str:
    return "" if found.one_sum is None else found.one_sum.prompt


ONE_SUM = Target(
    "Arithmetic heads",
    "pages/arithmetic_heads/page.py",
    lambda found: {"source": "Your own prompts", "own": _prompt(found)},
)
NEURONS = Target(
    "CNA logic chain",
    "pages/logic_chain/page.py",
    lambda found: {"chain_prompt": _prompt(found), "heads": _top_head(found)},
)
FLOW = Target("Causal mediation", "pages/mediation/page.py", lambda found: {"pairs": str(found.settings.pairs)})
FILTER = Target("CNA logic chain", "pages/logic_chain/page.py", _none)
LORA = Target("LoRA comparison", "pages/lora/page.py", _none)
BIAS = Target("Gender bias", "pages/gender/page.py", _none)


def many_heads(operation: str, digits: int) -> Target:
    """The sweep of an operation."""
    return Target(
        "Arithmetic heads",
        "pages/arithmetic_heads/page.py",
        lambda found: {
            "operations": [f"\\{operation} {_NAMES[operation]}"],
            "digits": [str(digits)],
            "count": str(found.settings.prompts),
            "pool": "within digits",
            "scoring": "tokens",
        },
    )


_NAMES = {"+": "add", "-": "subtract", "*": "multiply", "/": "divide"}


def open_on(target: Target, both: SideBySide, key: str) -> None:
    """Buttons that open a page with one of the models; the other is loaded in its place for everyone."""
    with st.container(horizontal=True, vertical_alignment="center"):
        st.markdown(f"Open on *{target.title}*:", width="content")
        for made, found in both.each.items():
            name = bundled_name(found.model.name)
            loaded = residence().loaded
            is_there = loaded is not None and loaded.name == name
            if st.button(
                f"{made} model",
                key=f"open {key} {made}",
                icon=":material/open_in_new:",
                type="tertiary",
                disabled=name is None or (is_locked() and not is_there),
                help="Opens the page with this question set. "
                + ("" if is_there else "The model is loaded first, for everyone who uses this server."),
            ):
                st.session_state[MODEL_WANTED] = name
                st.switch_page(target.path, query_params=dict(target.widgets(found)))
