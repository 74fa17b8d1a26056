"""The tables of the CNA paper that stand beside the measurements over a whole set."""

import pandas as pd
import streamlit as st

from core import paper


def paper_tables(numbers: tuple[int, ...]) -> None:
    """An expander with the paper's tables and their notes."""
    with st.expander("The same in the paper: Llama-7B"):
        st.caption(paper.SOURCE + ". The paper's numbers, not measured here.")
        for number in numbers:
            table = paper.table(number)
            st.markdown(f"**Table {number}.** {table['title']} ({table['unit']})")
            st.dataframe(pd.DataFrame(table["rows"], index=table["columns"]).T)
            if table.get("note"):
                st.caption(table["note"])
