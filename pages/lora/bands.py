"""Table 10: increase of the important neurons' coefficients, by band of adapter layers and top k."""

import pandas as pd
import streamlit as st

from core.lora.beside import increase_over
from core.lora.coefficients import CoefficientIncrease, bands_of
from core.lora.series import Series
from core.model.load import LoadedModel
from pages.lora.charts import increase_by_band
from pages.lora.settings import BandSettings
from pages.shared.claims.badge import finding
from pages.shared.job_slot import job_slot
from pages.shared.papers import same_in_paper
from pages.shared.present import downloads, told
from pages.shared.resources import adapter_digest
from pages.shared.theme import is_dark
from pages.shared.words import moved, percent


def show(lm: LoadedModel, series: Series) -> None:
    """Mean coefficient increase over one-digit prompts."""
    st.header("Do the coefficients of important neurons increase?")
    first, second = st.columns([3, 1], vertical_alignment="bottom")
    first.slider("One-digit prompts of each operation", 1, 50, BandSettings.count, **BandSettings.bound("count"))
    pressed = second.button("Measure", key="measure bands", icon=":material/play_arrow:", type="primary")
    folders = {about.layer: series.place(about.layer) for about in series.adapters}
    with told():
        settings = BandSettings.read(adapters=tuple((n, adapter_digest(folder)) for n, folder in folders.items()))
        found = job_slot(
            lm,
            "lora bands",
            settings,
            f"Comparing {len(folders)} adapters on {4 * settings.count} prompts",
            lambda progress: increase_over(lm, folders, settings.count, progress),
            "Press **Measure** to compare the coefficients of each prompt's top neurons without and with each adapter.",
            start=pressed,
        )
        if found is not None and len(found.result.points):
            _show(lm, found.result, found.key)
    same_in_paper(lm, 10)


def _show(lm: LoadedModel, found: CoefficientIncrease, settings: BandSettings) -> None:
    frame = found.by_band(bands_of(lm.n_layers))
    frame["top"] = [f"top {k}" for k in frame["k"]]
    left, right = st.columns([3, 2])
    left.altair_chart(increase_by_band(frame, is_dark()), alt="Coefficient increase by band of layers")
    wide = frame.pivot(index="band", columns="top", values="increase")[list(dict.fromkeys(frame["top"]))]
    right.dataframe(wide.loc[list(dict.fromkeys(frame["band"]))].map(percent))
    right.caption("Rows: the layers that carry the adapter, in bands of the paper's proportions.")
    best = frame.loc[frame["increase"].idxmax()]
    prompts = int(found.points["prompts"].max())
    finding(lm, "tuning", f"Over {prompts} prompts, {_most(best)}.", "lora bands")
    downloads("lora-bands", lm, settings, frame, lambda dark: increase_by_band(frame, dark))


def _most(best: pd.Series) -> str:
    """The largest increase in words, which may be a fall."""
    share = float(best["increase"])
    where = f"with an adapter on layers {best['band']}"
    if share > 0:
        return f"the coefficients of the {best['top']} neurons increase most {where}: by {percent(share)} on average"
    return f"no band's coefficients increase; those of the {best['top']} neurons {moved(share)} {where}, the least"
