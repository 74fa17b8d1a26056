"""The person's own jobs, in the sidebar of every page: how far each is, and a button that ends it."""

import streamlit as st

from core.jobs.job import Job
from pages.shared.resources import board, session_id
from pages.shared.words import about, minutes

#: Seconds between two looks while there is work of one's own, and while there is only that of others.
OFTEN, SELDOM = 1.0, 5.0


def your_work() -> None:
    """Draws the list; it follows the queue by itself while there is anything in it."""
    alive = board().alive()
    if alive:
        mine = board().jobs_of(session_id())
        st.fragment(_list, run_every=OFTEN if mine else SELDOM)()


def _list() -> None:
    alive, mine = board().alive(), board().jobs_of(session_id())
    if mine:
        st.markdown("**Your work**")
    for job in mine:
        _row(job)
    others = len(alive) - len(mine)
    if others:
        st.caption(f"{others} computation{'s' if others > 1 else ''} of others running or waiting.")


def _row(job: Job) -> None:
    first, second = st.columns([3, 1], vertical_alignment="center")
    first.caption(f"{job.title}: {_state(job)}")
    second.button("End", key=f"end {id(job)}", on_click=_end, args=(job,), type="tertiary", help=f"Ends: {job.title}")


def _state(job: Job) -> str:
    if job.state == "running":
        return f"{job.share:.0%}, {minutes(job.seconds_left)}"
    place = board().place(job)
    return f"number {place.ahead} in the queue, starts in {about(place.seconds)}"


def _end(job: Job) -> None:
    board().stop(job, session_id())
