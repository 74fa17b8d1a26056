"""The sweep of the paper's notebook over "3+5=": its ten heads, beside ours where the loaded model is Llama-7B."""

import pandas as pd
import streamlit as st

from core.heads.sweep import HeadSweep
from core.model.load import LoadedModel
from core.paper import notebook
from core.paper.models import LLAMA, model_of
from pages.shared.papers import expander_title, not_ours
from pages.shared.words import head_of, percent


def notebook_sweep(lm: LoadedModel, swept: HeadSweep) -> None:
    """An expander with the notebook's ten heads; with our own values when the same was measured."""
    model = model_of(lm)
    with st.expander(expander_title(model, model == LLAMA, "The paper's notebook")):
        not_ours(notebook.SOURCE, model, LLAMA)
        st.markdown(
            f"P(8) is {percent(notebook.probability())} with all heads. These are the ten heads without which it is "
            "lowest."
        )
        st.dataframe(beside(swept, model == LLAMA), hide_index=True)


def beside(swept: HeadSweep, same_model: bool) -> pd.DataFrame:
    """Columns: head, probability and decrease in the notebook, and both here where "3+5=" was swept in Llama-7B."""
    frame = notebook.heads_frame()
    told = {"head": frame["head"]}
    told |= {f"{name}, notebook": frame[name].map(percent) for name in ("probability", "decrease")}
    if same_model and notebook.PROMPT in swept.prompts and bool(swept.measured[swept.prompts.index(notebook.PROMPT)]):
        at = swept.prompts.index(notebook.PROMPT)
        here = pd.Series([float(swept.probability[(at, *head_of(name))]) for name in frame["head"]])
        told["probability, here"] = here.map(percent)
        told["decrease, here"] = (1 - here / float(swept.baseline[at])).map(percent)
    return pd.DataFrame(told)
