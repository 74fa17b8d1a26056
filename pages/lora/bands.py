"""Table 10: do the important neurons' coefficients rise, by band of adapter layers and top k?"""

import pandas as pd
import streamlit as st

from core import paper
from core.lora.coefficients import CoefficientIncrease, bands_of
from core.lora.series import Series
from core.model.load import LoadedModel
from pages.shared.lora.charts import increase_by_band
from pages.shared.lora.work import digest, increase
from pages.shared.present import downloads, told
from pages.shared.resources import board, model_key, session_id
from pages.shared.theme import is_dark
from pages.shared.waiting import outcome, wait_for
from pages.shared.words import moved, percent

JOB = "lora bands job"


def show(lm: LoadedModel, series: Series) -> None:
    """Mean coefficient increase over one-digit prompts."""
    st.header("Do the coefficients of important neurons increase?")
    first, second = st.columns([3, 1], vertical_alignment="bottom")
    count = first.slider("One-digit prompts of each operation", 1, 50, 5, key="lora count")
    pressed = second.button("Measure", key="measure bands", icon=":material/play_arrow:", type="primary")
    folders = {about.layer: series.place(about.layer) for about in series.adapters}
    with told():
        key = ("lora bands", *model_key(lm), count, tuple((n, digest(f)) for n, f in folders.items()))
        if pressed:
            title = f"Comparing {len(folders)} adapters over {4 * count} prompts"
            st.session_state[JOB] = board().submit(key, title, lambda p: increase(lm, folders, count, p), session_id())
        job = st.session_state.get(JOB)
        if job is None or job.key != key:
            st.caption("Press **Measure** for the coefficients of each prompt's top neurons, with each adapter.")
        else:
            wait_for(job)
            found = outcome(job)
            if isinstance(found, CoefficientIncrease) and len(found.points):
                _show(lm, found, count)
    with st.expander("Table 10 of the paper: Llama-7B"):
        theirs = paper.table(10)
        st.caption(f"{paper.SOURCE}. Their numbers. {theirs['title']}; rows: the layers that carry LoRA.")
        st.dataframe(pd.DataFrame(theirs["rows"], index=theirs["columns"]).T.map(lambda v: f"{v}%"))


def _show(lm: LoadedModel, found: CoefficientIncrease, count: int) -> None:
    frame = found.by_band(bands_of(lm.n_layers))
    frame["top"] = [f"top {k}" for k in frame["k"]]
    left, right = st.columns([3, 2])
    left.altair_chart(increase_by_band(frame, is_dark()), alt="Coefficient increase by band of layers")
    wide = frame.pivot(index="band", columns="top", values="increase")[list(dict.fromkeys(frame["top"]))]
    right.dataframe(wide.loc[list(dict.fromkeys(frame["band"]))].map(percent))
    right.caption("Rows: the layers that carry the adapter, in the paper's proportions.")
    best = frame.loc[frame["increase"].idxmax()]
    prompts = int(found.points["prompts"].max())
    st.markdown(f"Over {prompts} prompts, {_most(best)}.")
    downloads("lora-bands", lm, {"count": count}, frame, lambda dark: increase_by_band(frame, dark))


def _most(best: pd.Series) -> str:
    """The largest increase in words, which may be a fall."""
    share = float(best["increase"])
    where = f"with an adapter on layers {best['band']}"
    if share > 0:
        return f"the coefficients of the {best['top']} neurons increase most {where}: by {percent(share)} on average"
    return f"no band's coefficients increase; those of the {best['top']} neurons {moved(share)} {where}, the least"
