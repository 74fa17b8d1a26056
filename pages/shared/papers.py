"""What the CNA paper printed, beside our own results: its tables of the loaded model, or marked as another model's."""

import streamlit as st

from core import paper
from core.model.load import LoadedModel
from core.paper.models import LLAMA, PaperModel, is_about, model_of, table_for
from core.paper.tables import source_of


def same_in_paper(lm: LoadedModel, *numbers: int, title: str | None = None) -> None:
    """An expander with tables of the paper and their notes.

    Args:
        lm: the model; where the paper has a table of GPT-J, that one is shown beside GPT-J.
        numbers: of the tables about Llama-7B.
        title: of the expander; a model is added.
    """
    model = model_of(lm)
    shown = [table_for(number, model) for number in numbers]
    with st.expander(expander_title(model, all(is_about(number, model) for number in shown), title)):
        told: PaperModel | None = None
        for number in shown:
            of: PaperModel = paper.table(number)["model"]
            if of != told:
                not_ours(source_of(number), model, of)
            _table(number)
            told = of


def expander_title(model: PaperModel | None, same: bool, title: str | None = None) -> str:
    """The title of what the paper has about the loaded model, or about another one.

    Args:
        model: which of the paper's models is loaded.
        same: whether everything in the expander is about it.
        title: what is in it; None: "The same in the paper".
    """
    if same:
        return f"{title or 'The same in the paper'}: {model}"
    return f"{title or 'In the paper'}: {LLAMA}, another model" if model is None else title or "In the paper"


def not_ours(source: str, model: PaperModel | None, of: PaperModel) -> None:
    """A caption about numbers that were not measured here, with a mark when they are of another model."""
    st.caption(f"{source}. The paper's numbers, not measured here.")
    if model != of:
        st.caption(
            f":material/info: **Another model than the loaded one**: layers, heads and neurons are those of {of}, and "
            "compare in kind, not by number."
        )


def _table(number: int) -> None:
    printed = paper.table(number)
    st.markdown(f"**Table {number}.** {printed['title']} ({printed['unit']})")
    st.dataframe(paper.frame(number))
    if printed.get("note"):
        st.caption(printed["note"])
