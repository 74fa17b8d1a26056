"""A job's share and the seconds that are left, at times that the test sets."""

import pytest

from core.jobs.job import Job


@pytest.fixture
def clock(monkeypatch):
    now = [100.0]
    monkeypatch.setattr("core.jobs.job.time.monotonic", lambda: now[0])
    return now


@pytest.mark.parametrize("state", ["waiting", "running", "done", "stopped", "failed"])
def test_what_has_ended(state):
    assert Job("key", "A job", None, state=state).ended == (state not in ("waiting", "running"))


def test_the_pace_so_far_tells_the_seconds_left(clock):
    job = Job("key", "A job", None, seconds=30.0, state="running", started=100.0, total=10)
    assert job.share == 0
    assert job.seconds_left is None
    clock[0] = 104.0
    assert job.expected == pytest.approx(26)  # the guess, less what has gone by
    job.done = 2
    assert job.share == pytest.approx(0.2)
    assert job.seconds_left == pytest.approx(16) == job.expected
    clock[0], job.done = 200.0, 0
    assert job.expected == 0  # never less than nothing


def test_a_waiting_job_has_its_guess_to_come(clock):
    job = Job("key", "A job", None, seconds=30.0, asked=20.0)
    assert job.expected == 30
    assert job.seconds_left is None
    assert job.share == 0
