"""Many people at one queue: who is gone, who asks anew, whose turn it is."""

import threading
import time

import pytest

from core.jobs.board import JobBoard
from core.jobs.order import AGE, HALF, LONG, UNKNOWN, Durations, Usage, charge
from tests.core.jobs.test_board import Gate, wait_until


class Room:
    """Who is connected now."""

    def __init__(self, *here):
        self.here = set(here)

    def __call__(self, session):
        return session in self.here


def running(board, gate, key="busy", session="s1", **more):
    """A job that is running, to have something to wait for."""
    job = board.submit(key, f"title of {key}", gate, session, **more)
    assert gate.started.wait(10)
    return job


def finished(result=None):
    gate = Gate(result)
    gate.let.set()
    return gate


def order_of(board, asked):
    """The keys in the order in which they ran, each asked by `(key, session, seconds)` behind a running job."""
    ran, gate = [], Gate()
    jobs = [running(board, gate, session="nobody else", kind="gate")]
    for key, session, seconds in asked:
        jobs.append(board.submit(key, str(key), lambda p, key=key: ran.append(key), session, seconds=seconds))
    places = [board.place(job).ahead for job in jobs[1:]]
    gate.let.set()
    wait_until(lambda: all(job.ended for job in jobs))
    assert [ran.index(key) + 1 for key, _, _ in asked] == places  # the place that was told is the place it had
    return ran


def test_a_gone_session_ends_its_job_within_one_chunk():
    room = Room("s1")
    board = JobBoard(is_here=room, grace=0.05)
    calls, chunk, go = [], threading.Event(), threading.Event()

    def work(progress):
        for step in range(100):
            calls.append(step)
            progress(step, 100)
            chunk.set()
            go.wait(20)  # one chunk of computing

    job = board.submit("k", "K", work, "s1")
    assert chunk.wait(10)
    room.here.clear()
    wait_until(lambda: "s1" in board._missing and time.monotonic() - board._missing["s1"] > 0.05)
    done = len(calls)
    go.set()
    wait_until(lambda: job.ended)
    assert job.state == "stopped"
    assert len(calls) <= done + 1


def test_a_connected_session_that_says_nothing_keeps_its_job():
    board, gate = JobBoard(is_here=Room("s1"), grace=0.02, patience=0.02), Gate()
    job = running(board, gate)
    time.sleep(0.3)
    assert job.state == "running"
    assert not job.ending
    gate.let.set()
    wait_until(lambda: job.state == "done")


def test_a_short_break_is_forgiven():
    room = Room("s1")
    board, gate = JobBoard(is_here=room, grace=30.0), Gate()
    job = running(board, gate)
    room.here.clear()
    wait_until(lambda: "s1" in board._missing)
    assert job.state == "running"
    room.here.add("s1")
    wait_until(lambda: "s1" not in board._missing)
    gate.let.set()
    wait_until(lambda: job.state == "done")


def test_a_waiting_job_of_a_gone_session_leaves_the_queue():
    room = Room("s1", "s2")
    board, gate, never = JobBoard(is_here=room, grace=0.05), Gate(), Gate()
    running(board, gate)
    job = board.submit("k", "K", never, "s2")
    room.here.remove("s2")
    wait_until(lambda: job.state == "stopped")
    assert not never.runs
    assert job.work is None
    gate.let.set()


def test_a_reloaded_tab_takes_its_job_over():
    room = Room("before")
    board, gate = JobBoard(is_here=room, grace=0.3), Gate()
    job = running(board, gate, key="k", session="before")
    room.here = {"after"}
    assert board.submit("k", "K", gate, "after") is job
    assert not board.wanted_by_others(job, "after")  # the former tab is not "someone else"
    time.sleep(0.8)
    assert job.state == "running"
    board.stop(job, "after")
    wait_until(lambda: job.state == "stopped")


def test_someone_else_is_a_connected_session():
    room = Room("s1", "s2")
    board, gate = JobBoard(is_here=room, grace=30.0), Gate()
    job = running(board, gate, key="k")
    board.submit("k", "K", gate, "s2")
    assert board.wanted_by_others(job, "s1")
    room.here.remove("s2")
    assert not board.wanted_by_others(job, "s1")
    gate.let.set()


def test_asking_anew_in_a_slot_ends_the_former_job():
    board, first, second = JobBoard(), Gate("a"), Gate("b")
    former = running(board, first, key="a", slot="page")
    job = board.submit("b", "B", second, "s1", slot="page")
    wait_until(lambda: former.ended)
    assert former.state == "stopped"
    assert second.started.wait(10)
    second.let.set()
    wait_until(lambda: job.state == "done")


def test_asking_anew_keeps_what_another_slot_or_person_wants():
    board, first, second = JobBoard(), Gate("a"), Gate("b")
    job = running(board, first, key="a", slot="one")
    board.submit("a", "A", first, "s1", slot="two")
    board.submit("b", "B", second, "s1", slot="one")
    assert board.wants(job, "s1")
    board.submit("a", "A", first, "s2", slot="one")
    board.submit("b", "B", second, "s1", slot="two")
    assert not board.wants(job, "s1")
    assert board.wants(job, "s2")
    time.sleep(0.1)
    assert job.state == "running"
    first.let.set()
    second.let.set()


def test_jobs_without_a_slot_do_not_replace_each_other():
    board, gate = JobBoard(), Gate()
    one = running(board, gate)
    two = board.submit("b", "B", finished(), "s1")
    assert board.jobs_of("s1") == [one, two]
    gate.let.set()
    wait_until(lambda: two.state == "done")


def test_own_jobs_can_be_seen_and_ended():
    board, gate, never = JobBoard(is_here=Room("s1", "s2")), Gate(), Gate()
    one = running(board, gate)
    two = board.submit("two", "Two", never, "s1")
    other = board.submit("other", "Other", finished(), "s2")
    assert set(board.jobs_of("s1")) == {one, two}
    assert board.jobs_of("s2") == [other]
    for job in board.jobs_of("s1"):
        board.stop(job, "s1")
    wait_until(lambda: other.ended)
    assert (one.state, two.state, other.state) == ("stopped", "stopped", "done")
    assert not never.runs
    assert board.alive() == []
    assert board.jobs_of("s1") == []


def test_short_jobs_go_before_long_ones():
    assert order_of(JobBoard(), [("long", "a", 300.0), ("short", "b", 2.0), ("middle", "c", 40.0)]) == [
        "short",
        "middle",
        "long",
    ]


def test_who_has_used_the_machine_lets_others_pass():
    board = JobBoard()
    board._usage.add(["busy"], 60.0, time.monotonic())
    assert order_of(board, [("a", "busy", 5.0), ("b", "new", 20.0), ("c", "busy", 10.0)]) == ["b", "a", "c"]


def test_a_job_of_several_sessions_counts_as_the_one_that_used_least():
    board, gate = JobBoard(), Gate()
    board._usage.add(["busy"], 60.0, time.monotonic())
    running(board, gate, session="x")
    shared = board.submit("shared", "S", finished(), "busy", seconds=20.0)
    own = board.submit("own", "O", finished(), "busy", seconds=5.0)
    assert board.alive()[1:] == [own, shared]
    board.submit("shared", "S", finished(), "new")
    assert board.alive()[1:] == [shared, own]
    gate.let.set()


def test_use_is_charged_also_to_who_stopped():
    board, gate = JobBoard(), Gate()
    job = running(board, gate)
    time.sleep(0.2)
    board.stop(job, "s1")
    wait_until(lambda: job.ended)
    assert board._usage.of("s1", time.monotonic()) > 0.1


@pytest.mark.parametrize(("seconds", "used"), [(400.0, 0.0), (7200.0, 30.0)])
def test_no_long_job_starves(seconds, used):
    """A person asks for a short job every two seconds; each computes for two. The long one still gets its turn."""
    bound = (min(seconds, LONG) + used) / AGE
    now, waiting = 0.0, [(0.0, seconds, used, "long")]
    while True:
        waiting.append((now, 2.0, 0.0, "short"))
        best = min(waiting, key=lambda j: charge(j[1], j[2], now - j[0]))
        if best[3] == "long":
            break
        waiting.remove(best)
        now += 2.0
        assert now <= bound + 4.0
    assert now > 60.0  # it did let short jobs pass


def test_use_is_forgotten():
    usage = Usage()
    usage.add(["a", "b"], 100.0, 0.0)
    assert (usage.of("a", 0.0), usage.of("b", HALF), usage.of("c", 0.0)) == (50.0, 25.0, 0.0)
    usage.add(["c"], 1.0, 100 * HALF)
    assert list(usage._used) == ["c"]


def test_the_last_duration_of_a_kind_is_the_next_guess():
    known = Durations()
    assert known.guess("sweep") == UNKNOWN
    known.learn("sweep", 3.0)
    assert known.guess("sweep") == 3.0
    known.learn("sweep", 5.0, share=0.25)  # stopped after a quarter
    known.learn("sweep", 9.0, share=0.0)  # stopped before there was a pace
    assert known.guess("sweep") == 20.0


def test_the_board_learns_by_the_first_part_of_a_key():
    board = JobBoard()

    def work(progress):
        time.sleep(0.1)

    job = board.submit(("sweep", 1), "One", work, "s")
    assert job.seconds == UNKNOWN
    wait_until(lambda: job.ended)
    gate = Gate()
    running(board, gate)
    again = board.submit(("sweep", 2), "Two", work, "s")
    assert 0.1 <= again.seconds < UNKNOWN
    gate.let.set()


def test_the_place_says_what_runs_and_how_long():
    board, gate = JobBoard(), Gate()
    busy = running(board, gate, seconds=30.0)
    wait_until(lambda: busy.done > 1)
    first = board.submit("b", "B", finished(), "s2", seconds=4.0)
    second = board.submit("c", "C", finished(), "s3", seconds=8.0)
    place = board.place(second)
    assert (place.ahead, place.running) == (2, busy)
    assert board.place(first).ahead == 1
    assert place.seconds == pytest.approx(busy.expected + 4.0, rel=0.5)
    gate.let.set()
    wait_until(lambda: second.ended)
    assert board.place(second).ahead == 0


def test_before_is_called_on_the_thread_that_computes():
    names, board = [], None
    board = JobBoard(before=lambda: names.append(threading.current_thread().name))
    job = board.submit("k", "K", lambda p: names.append(threading.current_thread().name), "s")
    wait_until(lambda: job.ended)
    assert names == ["abacus jobs"] * 2
