"""One heavy job at a time; others wait, share, stop."""

import threading
import time

import pytest

from core.errors import UserError
from core.jobs.board import JobBoard
from core.progress import Stopped


def wait_until(condition, seconds=20):
    end = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < end, "it never happened"
        time.sleep(0.01)


class Gate:
    """Work that goes on only when it is let."""

    def __init__(self, result="result"):
        self.started, self.let = threading.Event(), threading.Event()
        self.result, self.runs = result, 0

    def __call__(self, progress):
        self.runs += 1
        self.started.set()
        steps = 0
        try:
            while not self.let.is_set():
                steps += 1
                progress(min(steps, 99), 100)
                time.sleep(0.005)
        except Stopped:
            return f"part of {self.result}"
        progress(100, 100)
        return self.result


def test_one_at_a_time_in_order():
    board, first, second = JobBoard(), Gate("a"), Gate("b")
    one = board.submit("a", "A", first, "session 1")
    first.started.wait(10)
    two = board.submit("b", "B", second, "session 2")
    assert board.watch(two, "session 2") == 1
    assert two.state == "waiting"
    assert not second.started.wait(0.1)
    wait_until(lambda: one.seconds_left is not None)
    first.let.set()
    second.let.set()
    wait_until(lambda: two.ended)
    assert (one.state, one.result, two.state, two.result) == ("done", "a", "done", "b")


def test_the_same_question_runs_once():
    board, gate = JobBoard(), Gate()
    one = board.submit("k", "K", gate, "s1")
    assert board.submit("k", "K", gate, "s2") is one
    gate.let.set()
    wait_until(lambda: one.ended)
    assert board.submit("k", "K", gate, "s3").result == "result"
    assert gate.runs == 1


def test_stop_keeps_the_part_and_a_new_run_starts_afresh():
    board, gate = JobBoard(), Gate()
    job = board.submit("k", "K", gate, "s1")
    gate.started.wait(10)
    board.stop(job, "s1")
    board.watch(job, "s1")  # the page goes on asking how far it is
    wait_until(lambda: job.ended)
    assert (job.state, job.result) == ("stopped", "part of result")
    gate.let.set()
    again = board.submit("k", "K", gate, "s1")
    assert again is not job
    wait_until(lambda: again.ended)
    assert again.result == "result"


def test_stop_of_one_session_leaves_it_to_the_other():
    board, gate = JobBoard(), Gate()
    job = board.submit("k", "K", gate, "s1")
    board.submit("k", "K", gate, "s2")
    gate.started.wait(10)
    board.stop(job, "s1")
    time.sleep(0.1)
    assert job.state == "running"
    gate.let.set()
    wait_until(lambda: job.ended)
    assert job.state == "done"


def test_stop_while_waiting():
    board, first, second = JobBoard(), Gate(), Gate()
    board.submit("a", "A", first, "s1")
    first.started.wait(10)
    job = board.submit("b", "B", second, "s2")
    board.stop(job, "s2")
    assert job.state == "stopped"
    assert job.result is None
    first.let.set()


def test_a_closed_browser_stops_its_job():
    board, gate = JobBoard(patience=0.1), Gate()
    job = board.submit("k", "K", gate, "gone")
    wait_until(lambda: job.ended)
    assert job.state == "stopped"


@pytest.mark.parametrize(("error", "words"), [(UserError("say this"), "say this"), (KeyError("x"), "report")])
def test_errors_are_told_and_the_next_job_runs(error, words, capsys):
    board = JobBoard()

    def fail(progress):
        raise error

    job = board.submit("bad", "Bad", fail, "s")
    wait_until(lambda: job.ended)
    assert job.state == "failed"
    assert words in job.error
    assert job.work is None  # what the work holds, a model, is let go
    good = Gate()
    good.let.set()
    after = board.submit("good", "Good", good, "s")
    wait_until(lambda: after.ended)
    assert after.state == "done"


def test_old_results_are_forgotten():
    board = JobBoard(keep=2)
    for key in range(5):
        gate = Gate(key)
        gate.let.set()
        job = board.submit(key, "K", gate, "s")
        wait_until(lambda job=job: job.ended)
    fresh = Gate("again")
    fresh.let.set()
    job = board.submit(0, "K", fresh, "s")
    wait_until(lambda: job.ended)
    assert fresh.runs == 1
