"""The increase by layer that the CNA paper's notebook prints for "3+5=", beside ours in Llama-7B."""

import pandas as pd
import streamlit as st

from core.model.load import LoadedModel
from core.paper import notebook
from core.paper.models import LLAMA, model_of
from pages.ask.settings import AskSettings
from pages.shared.charts import increase_bars
from pages.shared.papers import expander_title, not_ours
from pages.shared.theme import is_dark
from pages.shared.words import three_digits


def notebook_increase(lm: LoadedModel, settings: AskSettings, ours: pd.DataFrame) -> None:
    """An expander with the notebook's chart and table; with our values where the same was measured.

    Args:
        lm: the model.
        settings: of the run that is shown.
        ours: its increase, with the columns layer, module and increase.
    """
    model = model_of(lm)
    theirs = notebook.increase_frame()
    with st.expander(expander_title(model, model == LLAMA, "The paper's notebook")):
        not_ours(notebook.SOURCE, model, LLAMA)
        st.altair_chart(increase_bars(theirs, is_dark()), alt="Increase of log-probability by layer, notebook")
        sums = theirs.groupby("module")["increase"].sum()
        st.markdown(
            f"All attention layers together {three_digits(sums['attention'])} nats, all FFNs "
            f"{three_digits(sums['FFN'])} nats."
        )
        same = model == LLAMA and settings == AskSettings(notebook.PROMPT)
        st.dataframe(beside(theirs, ours) if same else theirs, hide_index=True)


def beside(theirs: pd.DataFrame, ours: pd.DataFrame) -> pd.DataFrame:
    """The notebook's increases, and ours of the same layers and modules."""
    mine = ours[["layer", "module", "increase"]].rename(columns={"increase": "increase, here"})
    return theirs.merge(mine, "left", ["layer", "module"])
