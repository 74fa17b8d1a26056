"""Effects of each edit of the set: applied alone, and left out of the set."""

import pandas as pd
import streamlit as st

from core.edits.effects import EditEffects, edit_effects
from core.edits.study import DRAWS
from core.forward.read_at import reads_at
from core.model.load import LoadedModel
from pages.shared.claims.badge import finding
from pages.shared.job_slot import job_slot
from pages.shared.present import downloads
from pages.shared.theme import is_dark
from pages.shared.words import three_digits
from pages.what_if.answers import NOTHING
from pages.what_if.charts import effect_bars
from pages.what_if.settings import AskSettings, SingleEditsSettings

MOST = 100


def single_edits(lm: LoadedModel, asked: AskSettings) -> None:
    """Measures each edit when asked to."""
    st.header("The effect of each edit")
    n = len(asked.edits)
    if not n:
        st.caption("Switch at least one edit on.")
        return
    if n > MOST:
        st.caption(f"Single edits are measured for sets of at most {MOST}; {n:,} are on.")
        return
    settings = SingleEditsSettings(asked.edits, asked.prompts, asked.positions, asked.seed)
    found = job_slot(
        lm,
        "single edits",
        settings,
        f"Measuring {n} edits one at a time",
        lambda progress: edit_effects(
            lm, reads_at(lm, asked.prompts, asked.positions), asked.edits, DRAWS, asked.seed, progress=progress
        ),
        "Press **Measure each edit** to apply each edit alone, and the set without each edit.",
        start=st.button("Measure each edit", icon=":material/play_arrow:", key="measure edits"),
    )
    if found is not None:
        _show(lm, found.result, found.key)


def _show(lm: LoadedModel, found: EditEffects, settings: SingleEditsSettings) -> None:
    frame = found.to_frame()
    frame.insert(0, "edit", frame["kind"] + " " + frame["name"])
    long = pd.concat(
        [
            frame.assign(measure=label, kl=frame[column])[["edit", "measure", "kl"]]
            for label, column in (("alone", "kl_alone"), ("set without it", "kl_without"))
        ]
    ).dropna()
    if not long.empty:
        st.altair_chart(effect_bars(long, is_dark()), alt="Effect of each edit alone, and of the set without it")
    done = frame.dropna(subset=["kl_alone"])
    if not done.empty and max(found.together.kl, done["kl_alone"].max(), done["kl_without"].fillna(0).max()) < NOTHING:
        st.markdown(
            "Nothing changes: neither the whole set nor any edit alone changes the next token on these prompts."
        )
    elif not done.empty:
        most = done.loc[done["kl_alone"].idxmax()]
        missed = done.loc[done["kl_without"].idxmin()]
        finding(
            lm,
            "edits",
            f"The whole set changes the next token's distribution by {three_digits(found.together.kl)} nats. Alone, "
            f"{most['edit']} changes it most ({three_digits(most['kl_alone'])}). Without {missed['edit']}, "
            f"{three_digits(missed['kl_without'])} is left. "
            "Effects of single edits do not add up, because heads and neurons can replace one another.",
            "single edits",
        )
    with st.expander("Table"):
        st.dataframe(frame.drop(columns=["kind", "name"]), hide_index=True)
        st.caption(
            "before, after: mean coefficient of a neuron, or norm of a head's output, at the last position. "
            "kl, log_p in nats; changed: share of prompts with another most likely token."
        )
    downloads("single-edits", lm, settings, frame, lambda dark: effect_bars(long, dark))
