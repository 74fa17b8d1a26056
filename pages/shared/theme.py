"""Colours and their meaning, the same on every page and in every download."""

import altair as alt
import streamlit as st

ATTENTION = "#D9722E"
FFN = "#178A8C"
EMBEDDING = "#8A8F98"
RESIDUAL = "#4C6FB0"
ATTENTION_WEIGHTS = "#B8902B"
FALL = ATTENTION  # a fall is what a head or neuron was worth
RISE = "#6B5CA5"
RISE_PALE = "#B9AEDD"
MODULE_COLORS = {"attention": ATTENTION, "FFN": FFN}

_MIDDLE = {False: "#F7F5F2", True: "#262B32"}
GROUND = {False: "#FFFFFF", True: "#14171B"}  # of the page, as in .streamlit/config.toml
_INK = {False: "#22252A", True: "#E8E6E1"}


def is_dark() -> bool:
    """Whether this session shows the dark theme."""
    return st.context.theme.type == "dark"


def ink(dark: bool) -> str:
    """The colour of text and lines."""
    return _INK[dark]


def diverging(limit: float, dark: bool) -> alt.Scale:
    """Change: rise to fall, centred at zero."""
    limit = limit or 1.0
    return alt.Scale(domain=[-limit, 0, limit], range=[RISE, _MIDDLE[dark], FALL], interpolate="lab", clamp=True)


def sequential(high: str, dark: bool, domain: tuple[float, float] = (0.0, 1.0)) -> alt.Scale:
    """Magnitude: from the page's ground to a full hue."""
    return alt.Scale(domain=list(domain), range=[_MIDDLE[dark], high], interpolate="lab", clamp=True)


#: What a downloaded chart looks like: on white, whatever the page's theme; on a page Streamlit's theme applies.
PRINTED = {
    "background": "white",
    "font": "Source Sans Pro, Segoe UI, Helvetica, Arial, sans-serif",
    "axis": {"labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal", "grid": False},
    "legend": {"labelFontSize": 12, "titleFontSize": 13, "titleFontWeight": "normal"},
    "view": {"stroke": None},
}
