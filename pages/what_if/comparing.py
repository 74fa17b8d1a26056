"""Detection of edits: a folder compared with the loaded model."""

import streamlit as st

from core.edits.detect import EditFindings, in_words, was_edited
from core.model.load import LoadedModel
from pages.shared import bench
from pages.shared.job_slot import job_slot
from pages.shared.permissions import check_allowed, locked

SHOWN = 2000


def comparing(lm: LoadedModel) -> None:
    """Looks for edits in a folder, given the loaded model as the original."""
    st.header("Was this model edited?")
    st.markdown(
        f"Compares the weights of a folder with those of `{lm.name}`: which heads or neurons were zeroed or "
        "scaled, and by how much? Also as a command: `python -m core detect ORIGINAL FOLDER`."
    )
    off = locked()
    with st.form("compare", border=False):
        first, second = st.columns([5, 2], vertical_alignment="bottom")
        folder = first.text_input(
            "Folder or hub id", key="compare folder", placeholder="exports/less-biased", disabled=off
        )
        pressed = second.form_submit_button("Compare", type="primary", width="stretch", disabled=off)
    found = job_slot(
        lm,
        "compare",
        folder.strip(),
        "Comparing weights",
        lambda progress: was_edited(lm, folder.strip(), progress),
        "Name a folder and press **Compare**.",
        start=pressed,
        fresh=True,  # a folder may change in between
        check=check_allowed,
    )
    if found is not None:
        _show(lm, found.result)


def _show(lm: LoadedModel, found: EditFindings) -> None:
    st.markdown(f"**{in_words(found)}**")
    if found.edits:
        st.dataframe(found.to_frame().head(SHOWN), hide_index=True)
        if len(found.edits) > SHOWN:
            st.caption(f"The first {SHOWN:,} of {len(found.edits):,}.")
        st.download_button(
            "All as CSV",
            found.to_frame().to_csv(index=False),
            "edits-found.csv",
            "text/csv",
            on_click="ignore",
            icon=":material/download:",
        )
        st.button("Use these edits", icon=":material/tune:", key="bench found", on_click=_put, args=(lm, found))
    for other in found.others[:20]:
        st.caption(f"`{other.tensor}`: {other.what}")
    if len(found.others) > 20:
        st.caption(f"... and {len(found.others) - 20:,} more tensors.")
    with st.expander("How this is computed"):
        st.latex(
            r"f = \langle W_{:,k}, W'_{:,k}\rangle / \lVert W_{:,k}\rVert^2, \qquad "
            r"W'_{:,k} \approx f\,W_{:,k} \text{ up to rounding}"
        )
        st.markdown(
            "For every head's and neuron's columns of the output maps. The same effect written into other "
            "weights is reported only as *changed otherwise*."
        )


def _put(lm: LoadedModel, found: EditFindings) -> None:
    bench.put(type(bench.edit_set())().added(list(found.edits)))
