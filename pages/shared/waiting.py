"""How does a person wait for heavy work? A bar, the time left, and Stop."""

import time

import streamlit as st

from core.jobs import Job
from pages.shared.resources import board, session_id
from pages.shared.words import minutes


def wait_for(job: Job) -> None:
    """Shows how far a job is, and runs the page again when it has ended."""
    if job in _left():
        st.info("You stopped waiting for this; it goes on for someone else.", icon=":material/stop_circle:")
        return
    for _ in range(6):  # quick work is shown at once, without a bar that only flashes
        if job.ended:
            return
        board().watch(job, session_id())
        time.sleep(0.05)
    _bar(job)


def _left() -> list[Job]:
    """The jobs that this session stopped while others still want them."""
    left = [job for job in st.session_state.get("left jobs", []) if not job.ended]
    st.session_state["left jobs"] = left
    return left


@st.fragment(run_every=0.5)
def _bar(job: Job) -> None:
    ahead = board().watch(job, session_id())
    if job.ended or job in _left():
        st.rerun()
    if job.state == "waiting":
        st.info(f"Another computation is running: {ahead} before this one, which starts by itself.",
                icon=":material/hourglass:")  # fmt: skip
    else:
        share = job.done / job.total if job.total else 0.0
        st.progress(share, text=f"{job.title}: {share:.0%}, {minutes(job.seconds_left)}")
    st.button("Stop", icon=":material/stop_circle:", key=f"stop {id(job)}", on_click=_stop, args=(job,),
              help="What is computed so far stays.")  # fmt: skip
    if job.ending or session_id() not in job.seen:
        st.caption("Stopping after this step ...")


def _stop(job: Job) -> None:
    board().stop(job, session_id())
    if job.seen:
        st.session_state["left jobs"] = [*_left(), job]


def outcome(job: Job) -> object | None:
    """A job's result; says so when it failed or was stopped."""
    if job.state == "failed":
        st.error(job.error, icon=":material/error:")
    if job.state == "stopped" and job.result is None:
        st.info("Stopped before anything was computed. Start it again when you like.", icon=":material/stop_circle:")
    elif job.state == "stopped":
        st.info("Stopped: what you see is what was computed until then.", icon=":material/stop_circle:")
    return job.result
