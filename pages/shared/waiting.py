"""How does a person wait for heavy work? A bar, the time left, and Stop."""

import time

import streamlit as st

from core.jobs import Job
from pages.shared.resources import board, session_id
from pages.shared.words import minutes


def wait_for(job: Job) -> None:
    """Shows how far a job is, and runs the page again when it has ended."""
    if job.ended:
        return
    for _ in range(6):  # quick work is shown at once, without a bar that only flashes
        if job.ended:
            return
        board().watch(job, session_id())
        time.sleep(0.05)
    _bar(job)


@st.fragment(run_every=0.5)
def _bar(job: Job) -> None:
    ahead = board().watch(job, session_id())
    if job.ended:
        st.rerun()
    if job.state == "waiting":
        st.info(f"Someone else is computing: {ahead} before you. Yours starts by itself.", icon=":material/hourglass:")
    else:
        share = job.done / job.total if job.total else 0.0
        st.progress(share, text=f"{job.title}: {share:.0%}, {minutes(job.seconds_left)}")
    if st.button("Stop", icon=":material/stop_circle:", key="stop job", help="What is computed so far stays."):
        board().stop(job, session_id())
        st.session_state["stopping"] = job.key
    if st.session_state.get("stopping") == job.key:
        st.caption("Stopping after this step ...")


def outcome(job: Job) -> object | None:
    """A job's result; says so when it failed or was stopped."""
    if job.state == "failed":
        st.error(job.error, icon=":material/error:")
    if job.state == "stopped" and job.result is None:
        st.info("Stopped before anything was computed. Press Run to start again.", icon=":material/stop_circle:")
    elif job.state == "stopped":
        st.info("Stopped: what you see is what was computed until then.", icon=":material/stop_circle:")
    return job.result
