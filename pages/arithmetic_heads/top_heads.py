"""The five most important heads by operation and digits, ours beside those of tables 24 to 27 of the paper."""

from collections.abc import Callable

import altair as alt
import pandas as pd
import streamlit as st

from core.heads.top_heads import top_heads
from core.model.load import LoadedModel
from core.paper.models import LLAMA, model_of
from core.paper.tables import SOURCE
from core.paper.tables import top_heads as printed_heads
from core.statistics.intervals import Estimate
from core.types import Head
from pages.arithmetic_heads.scoring import NAMES
from pages.shared.charts import percent_tip, with_percent
from pages.shared.claims.badge import finding
from pages.shared.claims.estimates import share
from pages.shared.papers import not_ours
from pages.shared.present import downloads
from pages.shared.settings import Settings
from pages.shared.theme import ATTENTION, ink, is_dark
from pages.shared.words import head_of, listed, percent

#: The decrease in a group without a head: operation, digits, (layer, head).
GroupDecrease = Callable[[str, int, Head], Estimate]

PANEL = 96  # pixels; three stand in half a page
PLACES = {1: "1st head", 2: "2nd", 3: "3rd", 4: "4th", 5: "5th"}


def heads_by_digits(lm: LoadedModel, swept: pd.DataFrame, settings: Settings, decrease: GroupDecrease) -> None:
    """The top five of what was swept beside all of the paper's, as charts on one scale and as tables.

    Args:
        lm: the model.
        swept: of `core.heads.accuracy.AccuracySweep.to_frame`.
        settings: of the sweep, for the download.
        decrease: of a head in one of the groups, with its interval.
    """
    ours, theirs = top_heads(swept), printed_heads()
    if ours.empty:
        return
    st.subheader("The five most important heads by operation and digits")
    most = float(pd.concat([ours["decrease"], theirs["decrease"]]).max())
    left, right = st.columns(2)
    with left:
        st.markdown("**Here**")
        st.altair_chart(
            head_bars(ours, is_dark(), most), width="content", alt="Top five heads by operation and digits, here"
        )
        st.dataframe(wide(ours))
        st.caption(
            f"Accuracy with all heads, and without each head alone, lowest first; scored by "
            f"{NAMES[swept['scoring'].iloc[0]]}. The paper's are of answer tokens.{unknown_groups(swept)}"
        )
    with right:
        st.markdown(f"**{LLAMA} in the paper** (tables 24 to 27)")
        st.altair_chart(
            head_bars(theirs, is_dark(), most), width="content", alt="Top five heads by operation and digits, paper"
        )
        st.dataframe(wide(theirs))
        not_ours(SOURCE, model_of(lm), LLAMA)
    finding(lm, "heads", _sentence(ours, decrease), "top heads")
    both = pd.concat([ours.assign(whose="here"), theirs.assign(whose=f"paper, {LLAMA}")], ignore_index=True)
    downloads("top-heads", lm, settings, both, lambda dark: head_bars(ours, dark, most))


def head_bars(frame: pd.DataFrame, dark: bool, most: float) -> alt.FacetChart:
    """Relative decrease without each head, one panel for each operation and number of digits.

    Columns: operation, digits, rank, head, baseline, accuracy, decrease.
    """
    rows = with_percent(frame.assign(group=frame["digits"].astype(str) + "D"), "baseline", "accuracy", "decrease")
    base = alt.Chart().encode(
        y=alt.Y("rank:O", title=None, axis=None),
        x=alt.X(
            "decrease:Q",
            title=None,
            scale=alt.Scale(domain=[min(0.0, float(rows["decrease"].min())), most * 1.7]),
            axis=alt.Axis(format="%", values=[0, 0.25, 0.5, 0.75, 1], labelOverlap=True),
        ),
        tooltip=[
            alt.Tooltip("head:N"),
            percent_tip("decrease", "relative decrease"),
            percent_tip("baseline", "all heads"),
            percent_tip("accuracy", "without the head"),
        ],
    )
    names = base.mark_text(align="left", dx=3, color=ink(dark), fontSize=11).encode(text="head:N")
    panel = alt.layer(base.mark_bar(color=ATTENTION), names).properties(width=PANEL, height=84)
    operations, groups = list(dict.fromkeys(rows["operation"])), sorted(set(rows["group"]))
    return panel.facet(
        data=rows,
        row=alt.Row("operation:N", sort=operations, title=None, header=alt.Header(labelAngle=0, labelFontSize=14)),
        column=alt.Column("group:N", sort=groups, title="relative decrease of accuracy", header=alt.Header()),
        spacing=8,
    )


def wide(frame: pd.DataFrame) -> pd.DataFrame:
    """One row per operation and digits ("1D+"): accuracy with all heads, and each head with that without it."""
    rows = {}
    for (operation, digits), group in frame.groupby(["operation", "digits"], sort=False):
        cells = {PLACES[rank]: f"{head}: {percent(value)}" for rank, head, value in _cells(group)}
        rows[f"{digits}D{operation}"] = {"all heads": percent(float(group["baseline"].iloc[0])), **cells}
    return pd.DataFrame.from_dict(rows, orient="index")


def _cells(group: pd.DataFrame) -> list[tuple[int, str, float]]:
    return list(zip(group["rank"].tolist(), group["head"].tolist(), group["accuracy"].tolist(), strict=True))


def unknown_groups(swept: pd.DataFrame) -> str:
    """Which groups are left out because nothing can decrease."""
    wrong = swept[swept["baseline"] == 0].drop_duplicates(["operation", "digits"])
    groups = [f"{digits}D{operation}" for digits, operation in zip(wrong["digits"], wrong["operation"], strict=True)]
    return f" The model answers none of {listed(groups)}, so nothing can decrease there." if groups else ""


def _sentence(ours: pd.DataFrame, decrease: GroupDecrease) -> str:
    """Which head leads in how many of the groups, and its largest decrease."""
    leading = ours[ours["rank"] == 1]
    first = leading["head"].value_counts()
    head, n = first.index[0], int(first.iloc[0])
    mine = leading[leading["head"] == head]
    most = mine.loc[mine["decrease"].idxmax()]
    lost = share(decrease(str(most["operation"]), int(most["digits"]), head_of(head)))
    if len(leading) == 1:
        return f"Head **{head}** is the most important one of the group that was measured: a decrease of {lost}."
    return (
        f"Head **{head}** is the most important one in {n} of {int(first.sum())} groups of operation and digits, most "
        f"of all in {most['digits']}D{most['operation']}, a decrease of {lost}; {len(first)} different heads lead a "
        "group."
    )
