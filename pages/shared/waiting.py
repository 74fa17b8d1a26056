"""Waiting for heavy work: the place in the queue, a bar, the time left, and Stop."""

import time

import streamlit as st

from core.jobs.job import Job
from pages.shared.resources import board, session_id
from pages.shared.words import about, minutes, plain


def wait_for(job: Job) -> None:
    """Shows how far a job is, and runs the page again when it has ended."""
    for _ in range(6):  # quick work is shown at once, without a bar that only flashes
        if job.ended:
            return
        board().watch(job, session_id())
        time.sleep(0.05)
    _bar(job)


@st.fragment(run_every=0.5)
def _bar(job: Job) -> None:
    board().watch(job, session_id())
    if job.ended:
        st.rerun()
    if not board().wants(job, session_id()):
        _left(job)
        return
    if job.state == "waiting":
        st.info(queue_message(job), icon=":material/hourglass:")
    else:
        st.progress(min(1.0, job.share), text=f"{job.title}: {job.share:.0%}, {minutes(job.seconds_left)}")
    st.button(
        "Stop",
        icon=":material/stop_circle:",
        key=f"stop {id(job)}",
        on_click=_stop,
        args=(job,),
        help="What is computed so far is kept.",
    )


def _left(job: Job) -> None:
    """The message in place of a job that this session gave up, until it has ended."""
    if board().wanted_by_others(job, session_id()):
        st.info("You stopped waiting for this; it continues for someone else.", icon=":material/stop_circle:")
    else:
        st.progress(min(1.0, job.share), text=job.title)
        st.caption("Stopping after this step ...")


def queue_message(job: Job) -> str:
    """Place in the queue, what runs now, and about how long until this one."""
    place = board().place(job)
    if place.running is None:
        return "This computation starts now."
    mine = " (yours)" if board().wants(place.running, session_id()) else ""
    return (
        f"Another computation is running{mine}: {place.running.title}. Yours is number {place.ahead} in the queue "
        f"and starts by itself in {about(place.seconds)}."
    )


def _stop(job: Job) -> None:
    board().stop(job, session_id())


def outcome(job: Job) -> object | None:
    """A job's result; says so when it failed or was stopped."""
    if job.state == "failed":
        st.error(plain(job.error or "It failed."), icon=":material/error:")
    if job.state == "stopped" and job.result is None:
        st.info("Stopped before anything was computed. Start it again when you like.", icon=":material/stop_circle:")
    elif job.state == "stopped":
        st.info("Stopped: what you see is what was computed until then.", icon=":material/stop_circle:")
    return job.result
