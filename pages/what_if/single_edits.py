"""The effect of each edit of the set, alone and left out."""

from typing import Any

import pandas as pd
import streamlit as st

from core.edits.effects import EditEffects, edit_effects
from core.hooks import Edit
from core.model.load import LoadedModel
from pages.shared.present import downloads
from pages.shared.resources import board, model_key, session_id
from pages.shared.theme import is_dark
from pages.shared.waiting import outcome, wait_for
from pages.shared.words import three_digits
from pages.what_if.answers import DRAWS, NOTHING, Asked
from pages.what_if.charts import effect_bars

MOST = 100


def single_edits(lm: LoadedModel, edits: tuple[Edit, ...], asked: Asked, settings: dict[str, Any]) -> None:
    """Measures each edit when the button is pressed."""
    st.header("The effect of each edit")
    if not edits:
        st.caption("Switch at least one edit on.")
        return
    if len(edits) > MOST:
        st.caption(f"Single edits are measured for sets of at most {MOST}; {len(edits):,} are on.")
        return
    key = ("single edits", *model_key(lm), edits, asked.prompts, asked.seed)
    job = st.session_state.get("single edits job")
    if st.button("Measure each edit", icon=":material/play_arrow:", key="measure edits"):
        job = board().submit(
            key,
            f"Measuring {len(edits)} edits one at a time",
            lambda p: edit_effects(lm, asked.prompts, edits, DRAWS, asked.seed, progress=p),
            session_id(),
        )
        st.session_state["single edits job"] = job
    if job is None:
        st.caption("Press to measure each edit alone, and the set without it.")
        return
    if job.key != key:
        st.caption(":material/info: Edits or prompts have changed since: press to measure these.")
        return
    wait_for(job)
    found = outcome(job)
    if isinstance(found, EditEffects):
        _show(lm, found, settings)


def _show(lm: LoadedModel, found: EditEffects, settings: dict[str, Any]) -> None:
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
        st.markdown("Nothing changes: neither the whole set nor any edit alone moves the next token on these prompts.")
    elif not done.empty:
        most = done.loc[done["kl_alone"].idxmax()]
        missed = done.loc[done["kl_without"].idxmin()]
        st.markdown(
            f"The whole set moves the next token by {three_digits(found.together.kl)} nats. Alone, {most['edit']} "
            f"moves it most ({three_digits(most['kl_alone'])}); without {missed['edit']}, "
            f"{three_digits(missed['kl_without'])} is left. "
            "Effects of single edits do not add up: heads and neurons can stand in for each other."
        )
    with st.expander("Table"):
        st.dataframe(frame.drop(columns=["kind", "name"]), hide_index=True)
        st.caption(
            "before, after: mean coefficient of a neuron, or norm of a head's output, at the last position. "
            "kl, log_p in nats; changed: share of prompts whose most likely token changes."
        )
    downloads("single-edits", lm, settings, frame, lambda dark: effect_bars(long, dark))
