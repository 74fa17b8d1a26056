"""Jobs of the LoRA page that start without a button."""

from typing import Any

import streamlit as st

from core.jobs.job import Job
from pages.shared.resources import board, session_id


def job_for(key: tuple, title: str, work: Any) -> Job:
    """Starts a job by itself when what it is about changes; a stopped one only when asked."""
    slot = f"{key[0]} job"
    job = st.session_state.get(slot)
    again = (
        job is not None
        and job.state in ("stopped", "failed")
        and st.button("Compute again", icon=":material/refresh:", key=f"again {slot}")
    )
    if job is None or job.key != key or again:
        job = board().submit(key, title, work, session_id())
        st.session_state[slot] = job
    return job
