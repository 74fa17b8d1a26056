"""Figure 2: what each layer's adapter reaches, with the base as a line."""

from dataclasses import asdict
from typing import Any

import pandas as pd
import streamlit as st

from core import paper
from core.lora_series import Series
from core.model import LoadedModel
from core.negative_data import GROUPS
from pages.lora.charts import by_layer, learning
from pages.shared.present import downloads
from pages.shared.theme import is_dark
from pages.shared.words import percent

ALL = "all"


def show(lm: LoadedModel, series: Series) -> None:
    """Accuracy by adapter layer, in a picture, a sentence and a table."""
    st.header("Accuracy by layer")
    frame = series.to_frame()
    groups = [group for group in (ALL, *GROUPS) if group in set(frame["group"])]
    group = st.segmented_control("Prompts", groups, default=ALL, key="lora group", required=True)
    mine = frame[frame["group"] == group]
    left, right = st.columns([3, 2])
    with left:
        st.altair_chart(by_layer(mine, is_dark()), alt="Accuracy by the layer that carries the adapter")
    with right:
        st.dataframe(_table(frame, groups), column_config={g: _percent(g) for g in groups})
        st.caption("Test prompts, held out of training; greedy exact match of the whole answer.")
    st.markdown(_sentence(mine, str(group)))
    for about in series.adapters:
        if not about.finished:
            st.caption(f":material/info: Layer {about.layer} was stopped after {about.steps} of {about.total} steps.")
    settings = asdict(series.adapters[0].settings)
    downloads("lora-by-layer", lm, settings, frame, lambda dark: by_layer(mine, dark))
    with st.expander("How each was trained"):
        layer = st.selectbox("Layer", [about.layer for about in series.adapters], key="lora curve")
        about = next(about for about in series.adapters if about.layer == layer)
        st.altair_chart(learning(about.curve_frame(), is_dark()), width="content")
        said = ", ".join(f"{name.replace('_', ' ')} {value}" for name, value in settings.items())
        st.caption(f"{said}. Accuracy here is that of prompts set aside from the training prompts, by which the best "
                   "state of the adapter is chosen.")  # fmt: skip
    with st.expander("The same in the paper: Llama-7B"):
        st.caption(paper.SOURCE + ". Their numbers, not measured here.")
        st.markdown(paper.table(10)["note"])


def _sentence(mine: pd.DataFrame, group: str) -> str:
    best, worst = mine.loc[mine["accuracy"].idxmax()], mine.loc[mine["accuracy"].idxmin()]
    what = "the test prompts" if group == ALL else f"the {group} prompts"
    better = int((mine["accuracy"] > mine["base"]).sum())
    return (
        f"Without an adapter the model answers {percent(float(best['base']))} of {what} right. An adapter on layer "
        f"**{best['layer']}** brings that to **{percent(float(best['accuracy']))}**, the most; one on layer "
        f"{worst['layer']} to {percent(float(worst['accuracy']))}, the least. "
        f"{better} of {len(mine)} are above the base."
    )


def _table(frame: pd.DataFrame, groups: list[str]) -> pd.DataFrame:
    wide = frame.pivot(index="layer", columns="group", values="accuracy")[groups]
    base = frame.drop_duplicates("group").set_index("group")["base"][groups].rename("none")
    wide.index = [f"layer {layer}" for layer in wide.index]
    return pd.concat([base.to_frame().T, wide])


def _percent(label: str) -> Any:
    return st.column_config.NumberColumn(label, format="percent")
