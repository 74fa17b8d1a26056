"""Charts of edits, from tidy tables; nothing is computed here."""

import altair as alt
import pandas as pd

from pages.shared.charts import percent_tip, ranked_tokens, with_percent
from pages.shared.theme import EMBEDDING, FFN, ink
from pages.shared.words import percent, three_digits

ORIGINAL, EDITED = "original", "edited"
MODEL_COLORS = {ORIGINAL: EMBEDDING, EDITED: FFN}


def _rows(frame: pd.DataFrame) -> pd.DataFrame:
    labels = [_label(edited, change) for edited, change in zip(frame[EDITED], frame["change"], strict=True)]
    return with_percent(frame.assign(rank=range(len(frame)), label=labels), ORIGINAL, EDITED, "change")


def _bars(frame: pd.DataFrame, which: str) -> alt.Chart:
    return (
        alt.Chart(_rows(frame))
        .mark_bar(color=MODEL_COLORS[which], height={"band": 0.75})
        .encode(
            y=ranked_tokens(list(frame["token"])),
            x=alt.X(
                f"{which}:Q",
                title="probability",
                scale=alt.Scale(domain=[0, 1.35]),
                axis=alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1]),
            ),
            tooltip=["token:N", *(percent_tip(column) for column in (ORIGINAL, EDITED, "change"))],
        )
    )


def _with_labels(frame: pd.DataFrame, which: str, label: str, dark: bool) -> alt.LayerChart:
    base = alt.Chart(_rows(frame)).encode(y=ranked_tokens(list(frame["token"])), x=alt.X(f"{which}:Q"))
    text = base.mark_text(align="left", dx=4, color=ink(dark)).encode(text=f"{label}:N")
    return (_bars(frame, which) + text).properties(height=26 * len(frame) + 50)


def tokens_before(frame: pd.DataFrame, dark: bool) -> alt.LayerChart:
    """Next tokens of the original. Columns: token, original, edited, change (probabilities)."""
    return _with_labels(frame, ORIGINAL, f"{ORIGINAL}_text", dark)


def tokens_after(frame: pd.DataFrame, dark: bool) -> alt.LayerChart:
    """Next tokens of the edited model, with the change of each. Columns: as `tokens_before`."""
    return _with_labels(frame, EDITED, "label", dark)


def _label(value: float, change: float) -> str:
    shown = percent(value)
    if abs(change) < 0.0005:
        return shown
    return f"{shown}  ({'+' if change >= 0 else '−'}{three_digits(abs(change) * 100)})"


def tokens_beside(frame: pd.DataFrame, dark: bool) -> alt.TopLevelMixin:
    """Both, for downloads."""
    left = tokens_before(frame, dark).properties(title=ORIGINAL, width=300)
    return left | tokens_after(frame, dark).properties(title=EDITED, width=300)


def effect_bars(frame: pd.DataFrame, dark: bool) -> alt.Chart:
    """The effect of each edit alone, and of the set without it. Columns: edit, measure, kl."""
    order, most = list(dict.fromkeys(frame["edit"])), float(frame["kl"].max())
    end = most if most >= 1e-6 else 1.0  # where nothing moves, an axis of rounding errors would look like an effect
    return (
        alt.Chart(frame)
        .mark_bar()
        .encode(
            y=alt.Y("edit:N", sort=order, title=None, axis=alt.Axis(labelOverlap=False)),
            yOffset=alt.YOffset("measure:N", sort=["alone", "set without it"]),
            x=alt.X(
                "kl:Q",
                title="distance of the next token from the original's (KL, nats)",
                scale=alt.Scale(domain=[0, end], nice=True),
            ),
            color=alt.Color(
                "measure:N",
                legend=alt.Legend(title=None, orient="top"),
                scale=alt.Scale(domain=["alone", "set without it"], range=[FFN, EMBEDDING]),
            ),
            tooltip=["edit:N", "measure:N", alt.Tooltip("kl:Q", format=".3~r")],
        )
        .properties(height=44 * len(order) + 120)
    )
